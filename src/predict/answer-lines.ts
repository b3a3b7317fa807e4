import {once} from 'node:events'
import type {Writable} from 'node:stream'
import type {VilbertError} from '../errors.js'
import {reportError, type ErrorReport} from '../ui/error-report.js'
import type {BatchOptions, LoadedModel} from './loaded-model.js'
import type {BatchAnswer, Prediction, PredictQuery} from './query.js'
import type {QueryLine} from './query-lines.js'

/** An answer with the line that it is to, and the picture that was drawn of it. */
export type LineAnswer = BatchAnswer & {readonly line: number; readonly drawing?: string}

/** What stands in a line of the output: an answer, or what was wrong with the question. */
export type AnswerLine = {
  readonly id?: PredictQuery['id']
  /** The line of the input, counted from 1. */
  readonly line: number
} & (
  | (Prediction & {readonly drawing?: string})
  | {readonly image?: number | string; readonly phrase?: string; readonly error: ErrorReport}
)

/** Answers lines in their order. Only as many lines are remembered as are being computed. */
export async function* answerLines(
  model: LoadedModel,
  lines: AsyncIterable<QueryLine>,
  options: BatchOptions,
): AsyncGenerator<LineAnswer, void, void> {
  const numbers: number[] = []
  const queries = async function* (): AsyncGenerator<PredictQuery | VilbertError, void, void> {
    for await (const {line, query} of lines) {
      numbers.push(line)
      yield query
    }
  }
  for await (const answer of model.predictBatch(queries(), options)) {
    yield {...answer, line: numbers.shift() ?? 0}
  }
}

/** The line of JSON that an answer becomes; its place among the answers is not told, the line of the input is. */
export function answerText(answer: LineAnswer): string {
  return `${JSON.stringify({...answerLine(answer), index: undefined})}\n`
}

function answerLine({id, line, ...answer}: LineAnswer): AnswerLine {
  const known = {...(id !== undefined && {id}), line}
  if (answer.error === undefined) return {...known, ...answer}
  return {...known, ...answer, error: reportError(answer.error)}
}

/** Writes and waits until the reader has room again; false once nobody reads any more. */
export async function writeLine(output: Writable, text: string): Promise<boolean> {
  if (output.destroyed || output.errored !== null) return false
  if (output.write(text)) return true
  const stop = new AbortController()
  const told = (event: string, isRead: boolean): Promise<boolean> =>
    once(output, event, {signal: stop.signal}).then(
      () => isRead,
      () => false,
    )
  const isRead = await Promise.race([told('drain', true), told('close', false)])
  stop.abort()
  return isRead
}
