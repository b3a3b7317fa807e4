import {open} from 'node:fs/promises'
import type {z} from 'zod'
import {metricsLineSchema} from '../report/learning-curves.js'

/** A step or an epoch of a training, as its log tells it. */
export type MetricsLine = z.infer<typeof metricsLineSchema>

export type NewLines = {
  /** Whether the log is another one than before: a run that was resumed writes it anew. */
  readonly isNew: boolean
  readonly lines: readonly MetricsLine[]
}

/** Read at once; a line of the log is some hundred bytes. */
const pieceBytes = 256 * 1024

/** Reads what is added to a `metrics.jsonl` while somebody writes it. A line that is not finished is left for later. */
export class LogReader {
  readonly #file: string
  #offset: number
  #inode: number | undefined

  /** @param offset - bytes that are known already */
  constructor(file: string, offset = 0) {
    this.#file = file
    this.#offset = offset
  }

  /** Bytes that were read so far. */
  get offset(): number {
    return this.#offset
  }

  /** The next lines, at most 256 KiB of them; none at the end of the log, or where there is no log. */
  async read(): Promise<NewLines> {
    const file = await open(this.#file, 'r').catch(() => undefined)
    if (file === undefined) return {isNew: false, lines: []}
    try {
      const {size, ino} = await file.stat()
      const isNew = size < this.#offset || (this.#inode ?? ino) !== ino
      this.#inode = ino
      if (isNew) this.#offset = 0
      const piece = Buffer.alloc(Math.min(pieceBytes, size - this.#offset))
      const {bytesRead} = await file.read(piece, 0, piece.length, this.#offset)
      const end = piece.lastIndexOf(0x0a, bytesRead - 1) + 1
      // Nothing that is so long without an end is a line of such a log.
      this.#offset += end === 0 && bytesRead === pieceBytes ? bytesRead : end
      return {isNew, lines: piece.toString('utf8', 0, end).split('\n').flatMap(parse)}
    } finally {
      await file.close()
    }
  }
}

function parse(line: string): MetricsLine[] {
  try {
    const parsed = metricsLineSchema.safeParse(JSON.parse(line))
    return parsed.success ? [parsed.data] : []
  } catch {
    return []
  }
}
