import {open} from 'node:fs/promises'
import type {FileHandle} from 'node:fs/promises'

import {CheckpointError, printable} from '../errors.js'
import {tensorBytes} from '../formats/dtypes.js'
import type {Segment} from './segments.js'

/** Bytes of a segment; those of a large one come in several pieces, those of an empty one in an empty piece. */
export type Piece = {readonly segment: Segment; readonly bytes: Buffer}

/** Large enough that most tensors come in one piece, which is hashed on another core. */
const pieceBytes = 16 << 20
/** Two pieces are being read while one is hashed and the one before is written. */
const piecesAhead = 2
const buffersInUse = piecesAhead + 2

/**
 * The bytes of all segments in order, read ahead across tensors: most of a model's are small, and waiting for each
 * would take longer than reading them. A piece is good until the one after next is asked for.
 */
export async function* readAhead(segments: readonly Segment[]): AsyncGenerator<Piece, void, undefined> {
  await using reader = new PieceReader()
  const ahead: Promise<Piece>[] = []
  for (const request of requests(segments)) {
    if ('bytes' in request) {
      for (const piece of ahead.splice(0)) yield await piece
      yield request
      continue
    }
    if (ahead.length > piecesAhead) for (const piece of ahead.splice(0, 1)) yield await piece
    const piece = reader.read(request)
    // Heard where it is awaited; until then Node must not take it for a failure that nobody hears.
    piece.catch(() => undefined)
    ahead.push(piece)
  }
  for (const piece of ahead) yield await piece
}

type ReadRequest = {
  readonly segment: Segment
  readonly file: string
  readonly offset: number
  readonly lengthBytes: number
}

function* requests(segments: readonly Segment[]): Generator<Piece | ReadRequest, void, undefined> {
  for (const segment of segments) {
    if (Buffer.isBuffer(segment)) yield {segment, bytes: segment}
    else if (tensorBytes(segment.dtype, segment.shape) === 0) yield {segment, bytes: Buffer.alloc(0)}
    else if (segment.raw === undefined) for (const bytes of segment.pieces()) yield {segment, bytes}
    else {
      const {file, offset} = segment.raw
      const end = offset + tensorBytes(segment.dtype, segment.shape)
      for (let at = offset; at < end; at += pieceBytes) {
        yield {segment, file, offset: at, lengthBytes: Math.min(pieceBytes, end - at)}
      }
    }
  }
}

/** Reads into a few buffers in turn: fresh ones for a gigabyte would cost more than the copying. */
class PieceReader implements AsyncDisposable {
  readonly #files = new Map<string, Promise<FileHandle>>()
  readonly #buffers: Buffer[] = []
  readonly #underWay = new Set<Promise<unknown>>()
  #next = 0

  async read({segment, file, offset, lengthBytes}: ReadRequest): Promise<Piece> {
    const slot = this.#next++ % buffersInUse
    const buffer = (this.#buffers[slot] ??= Buffer.allocUnsafeSlow(pieceBytes))
    const reading = this.#fill(buffer.subarray(0, lengthBytes), file, offset)
    this.#underWay.add(reading)
    try {
      return {segment, bytes: await reading}
    } finally {
      this.#underWay.delete(reading)
    }
  }

  /** A file must not be closed under a read. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#underWay)
    const files = await Promise.allSettled(this.#files.values())
    for (const file of files) if (file.status === 'fulfilled') await file.value.close()
  }

  async #fill(buffer: Buffer, path: string, offset: number): Promise<Buffer> {
    const opened = this.#files.get(path) ?? open(path, 'r')
    this.#files.set(path, opened)
    const handle = await opened
    for (let filled = 0; filled < buffer.length;) {
      const {bytesRead} = await handle.read(buffer, filled, buffer.length - filled, offset + filled)
      if (bytesRead === 0) throw shorter(path)
      filled += bytesRead
    }
    return buffer
  }
}

function shorter(path: string): CheckpointError {
  return new CheckpointError(`${printable(path, 300)} became shorter while it was read.`, {
    code: 'E_TRUNCATED',
    next: 'Run the command again when nothing writes to the file.',
  })
}
