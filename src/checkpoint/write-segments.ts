import {createHash} from 'node:crypto'
import type {FileHandle} from 'node:fs/promises'

import {throwIfInterrupted} from '../breathe.js'
import type {AtomicFile} from '../files.js'
import {FileSource} from '../formats/byte-source.js'
import {tensorBytes} from '../formats/dtypes.js'
import type {TensorRecord} from './metadata.js'
import {readAhead} from './read-ahead.js'
import {contentSample} from './sample.js'
import type {Segment} from './segments.js'

/** What a description says of a payload. */
export type WrittenPayload = {
  readonly sizeBytes: number
  readonly sampleSha256: string
  readonly tensors: readonly TensorRecord[]
}

export type WriteOptions = {
  readonly signal?: AbortSignal | undefined
  /** Told the bytes of each piece. */
  readonly onBytes?: ((bytes: number) => void) | undefined
}

/** So many bytes are handed to the disk while the next ones are read, so that the flush at the end has little left. */
const flushedBytes = 64 << 20

/**
 * Writes the parts of a file in order and hashes each tensor: while one piece is hashed, the one before is written and
 * the next ones are read. The file takes its name when the caller commits it.
 */
export async function writeSegments(
  file: AtomicFile,
  segments: readonly Segment[],
  {signal, onBytes}: WriteOptions = {},
): Promise<WrittenPayload> {
  const writer = new PieceWriter(file.handle)
  const tensors = new TensorHasher()
  for await (const {segment, bytes} of readAhead(segments)) {
    throwIfInterrupted(signal)
    const offset = writer.position
    const written = writer.write(bytes)
    tensors.add(segment, bytes, offset)
    await written
    if (!Buffer.isBuffer(segment)) onBytes?.(bytes.length)
  }
  await writer.finish()
  using written = new FileSource(file.temporaryPath)
  return {sizeBytes: writer.position, sampleSha256: contentSample(written), tensors: tensors.finish()}
}

/** Hashes each of the tensors that come one behind the other. */
class TensorHasher {
  readonly #records: TensorRecord[] = []
  #segment: Segment | undefined
  #offset = 0
  #hash = createHash('sha256')

  add(segment: Segment, bytes: Buffer, offset: number): void {
    if (segment !== this.#segment) this.#begin(segment, offset)
    if (!Buffer.isBuffer(segment)) this.#hash.update(bytes)
  }

  finish(): readonly TensorRecord[] {
    this.#begin(undefined, 0)
    return this.#records
  }

  #begin(segment: Segment | undefined, offset: number): void {
    const before = this.#segment
    if (before !== undefined && !Buffer.isBuffer(before)) {
      const {name, dtype, shape} = before
      const nbytes = tensorBytes(dtype, shape)
      const sha256 = this.#hash.digest('hex')
      this.#records.push({name, dtype, shape: [...shape], offset: this.#offset, nbytes, sha256})
    }
    this.#segment = segment
    this.#offset = offset
    this.#hash = createHash('sha256')
  }
}

/** Keeps one write under way, and the disk busy. */
class PieceWriter {
  position = 0
  readonly #handle: FileHandle
  #underWay: Promise<void> = Promise.resolve()
  #unflushed = 0
  #flush: Promise<void> = Promise.resolve()

  constructor(handle: FileHandle) {
    this.#handle = handle
  }

  /** Starts to write when the piece before is written; resolves then. */
  async write(piece: Buffer): Promise<void> {
    const before = this.#underWay
    this.position += piece.length
    this.#unflushed += piece.length
    this.#underWay = before.then(async () => this.#writeWhole(piece))
    this.#underWay.catch(() => undefined)
    if (this.#unflushed >= flushedBytes) this.#startFlush()
    await before
  }

  async finish(): Promise<void> {
    await this.#underWay
    await this.#flush
  }

  async #writeWhole(piece: Buffer): Promise<void> {
    for (let written = 0; written < piece.length;) {
      const {bytesWritten} = await this.#handle.write(piece, written)
      written += bytesWritten
    }
  }

  #startFlush(): void {
    this.#unflushed = 0
    this.#flush = this.#flush.then(async () => this.#handle.datasync())
    this.#flush.catch(() => undefined)
  }
}
