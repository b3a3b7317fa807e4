import type {FormatError} from '../errors.js'

/** Hears of what is readable but wrong. To refuse such a file, throw what is handed over. */
export type ProblemSink = (problem: FormatError) => void

/** The sink that refuses: every problem is thrown. */
export function refuse(problem: FormatError): never {
  throw problem
}
