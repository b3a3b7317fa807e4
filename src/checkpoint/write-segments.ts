import {createHash, hash, webcrypto} from 'node:crypto'
import type {Hash} from 'node:crypto'
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
    await Promise.all([writer.write(bytes), tensors.add(segment, bytes, offset)])
    if (!Buffer.isBuffer(segment)) onBytes?.(bytes.length)
  }
  await writer.finish()
  using written = new FileSource(file.temporaryPath)
  return {sizeBytes: writer.position, sampleSha256: contentSample(written), tensors: await tensors.finish()}
}

/** So many bytes are hashed at once on another core; handing over fewer would take as long as hashing them. */
const handedOverBytes = 1 << 16

/**
 * Hashes each of the tensors that come one behind the other: one that comes in a single piece on another core, while
 * the next ones are read, larger ones here, piece by piece.
 */
class TensorHasher {
  readonly #records: Promise<TensorRecord>[] = []
  #handedOver: Promise<unknown> = Promise.resolve()
  #large:
    {readonly hash: Hash; readonly place: Omit<TensorRecord, 'sha256'>; missingBytes: number} | undefined

  /** Waits until the tensor that was handed over before is hashed: no more than two are copied at once. */
  async add(segment: Segment, bytes: Buffer, offset: number): Promise<void> {
    if (Buffer.isBuffer(segment)) return
    const place = this.#large?.place ?? placeOf(segment, offset)
    if (bytes.length < place.nbytes) this.#addPart(place, bytes)
    else if (bytes.length < handedOverBytes) this.#push({...place, sha256: hash('sha256', bytes)})
    else {
      const before = this.#handedOver
      const record = hashElsewhere(bytes).then((sha256) => ({...place, sha256}))
      this.#handedOver = record
      this.#push(record)
      await before
    }
  }

  async finish(): Promise<readonly TensorRecord[]> {
    return Promise.all(this.#records)
  }

  #addPart(place: Omit<TensorRecord, 'sha256'>, bytes: Buffer): void {
    const large = (this.#large ??= {hash: createHash('sha256'), place, missingBytes: place.nbytes})
    large.hash.update(bytes)
    large.missingBytes -= bytes.length
    if (large.missingBytes > 0) return
    this.#push({...place, sha256: large.hash.digest('hex')})
    this.#large = undefined
  }

  // Heard in finish(); until then Node must not take it for a failure that nobody hears.
  #push(record: TensorRecord | Promise<TensorRecord>): void {
    const promise = Promise.resolve(record)
    promise.catch(() => undefined)
    this.#records.push(promise)
  }
}

function placeOf(
  {name, dtype, shape}: Exclude<Segment, Buffer>,
  offset: number,
): Omit<TensorRecord, 'sha256'> {
  return {name, dtype, shape: [...shape], offset, nbytes: tensorBytes(dtype, shape)}
}

/** The bytes may change once this has returned: what another core hashes is a copy. */
async function hashElsewhere(bytes: Buffer): Promise<string> {
  return Buffer.from(await webcrypto.subtle.digest('SHA-256', bytes)).toString('hex')
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
