import {DataError, type VilbertError} from '../errors.js'
import type {PredictQuery} from './query.js'

/** A line of a JSON Lines file: a value that is to be checked, or why there is none. */
export type QueryLine = {
  /** Counted from 1, blank lines included. */
  readonly line: number
  readonly query: PredictQuery | VilbertError
}

const longestLineBytes = 1 << 20
const newline = 0x0a

/** Reads JSON Lines piece by piece; of a line that is too long nothing is kept, so memory stays bounded. */
export async function* queryLines(pieces: AsyncIterable<Buffer>): AsyncGenerator<QueryLine, void, void> {
  let line = 0
  for await (const bytes of lines(pieces)) {
    line += 1
    if (bytes === undefined) {
      yield {line, query: refused(`The line has more than ${longestLineBytes} bytes.`)}
      continue
    }
    if (isBlank(bytes)) continue
    yield {line, query: parsed(bytes, line === 1)}
  }
}

/** The bytes of each line, or undefined for one that is too long. */
async function* lines(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer | undefined, void, void> {
  let begun: Buffer[] = []
  let begunBytes = 0
  const add = (bytes: Buffer): void => {
    begunBytes += bytes.length
    begun = begunBytes > longestLineBytes ? [] : [...begun, bytes]
  }
  const take = (): Buffer | undefined => {
    const taken = begunBytes > longestLineBytes ? undefined : Buffer.concat(begun)
    begun = []
    begunBytes = 0
    return taken
  }
  for await (const piece of pieces) {
    let start = 0
    for (let end = piece.indexOf(newline); end !== -1; end = piece.indexOf(newline, start)) {
      add(piece.subarray(start, end))
      start = end + 1
      yield take()
    }
    // A copy: the piece as a whole need not stay in memory for its last few bytes.
    add(Buffer.from(piece.subarray(start)))
  }
  if (begunBytes > 0) yield take()
}

function isBlank(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d)
}

function parsed(bytes: Buffer, isFirst: boolean): PredictQuery | VilbertError {
  try {
    // The decoder takes a byte order mark away; behind the first line there is none to take.
    const text = new TextDecoder('utf-8', {fatal: true, ignoreBOM: !isFirst}).decode(bytes)
    // Checked where it is answered: what is wrong with it is its answer.
    return JSON.parse(text) as PredictQuery
  } catch (error) {
    const isText = error instanceof SyntaxError
    return refused(isText ? 'The line is not JSON.' : 'The line is not UTF-8.', error)
  }
}

function refused(message: string, cause?: unknown): DataError {
  return new DataError(message, {
    code: 'E_QUERY',
    next: 'Write one object a line, like {"image": 1042, "phrase": "man in red", "id": "any"}.',
    cause,
  })
}
