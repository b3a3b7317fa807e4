import type {FormatError} from '../errors.js'

/** `wrong` gives wrong results when it is used; `odd` is unusual but found in real data, and does no harm. */
export type ProblemKind = 'wrong' | 'odd'

/** Hears of what is readable but not right. */
export type ProblemSink = (problem: FormatError, kind: ProblemKind) => void

/** The sink of a check: refuses everything that is not as it should be. */
export function refuse(problem: FormatError): never {
  throw problem
}

/** The sink of those who use the data: refuses what would give wrong results. */
export function refuseWrong(problem: FormatError, kind: ProblemKind): void {
  if (kind === 'wrong') throw problem
}
