import {createHash} from 'node:crypto'
import type {FileHandle} from 'node:fs/promises'

import {quiet, throwIfInterrupted} from '../breathe.js'
import {writeAll, type AtomicFile} from '../files.js'
import {FileSource} from '../formats/byte-source.js'
import {tensorBytes} from '../formats/dtypes.js'
import {copyParts} from './copy-parts.js'
import type {TensorRecord} from './metadata.js'
import type {OutputTensor} from './output-tensor.js'
import type {Part} from './part-copier.js'
import {contentSample} from './sample.js'
import {segmentBytes, type Segment} from './segments.js'

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

/** So many bytes are handed to the disk while the next ones are written, so that the flush at the end has little left. */
const flushedBytes = 64 << 20

/**
 * Writes the parts of a file and hashes each tensor. What lies in other files as it is wanted is copied on all cores;
 * what has to be made is made here. The file takes its name when the caller commits it.
 */
export async function writeSegments(
  file: AtomicFile,
  segments: readonly Segment[],
  {signal, onBytes}: WriteOptions = {},
): Promise<WrittenPayload> {
  const flusher = new Flusher(file.handle)
  const count = (bytes: number): void => {
    flusher.add(bytes)
    onBytes?.(bytes)
  }
  const records: Omit<TensorRecord, 'sha256'>[] = []
  const hashes: string[] = []
  const copied: {readonly index: number; readonly part: Part}[] = []
  let position = 0
  for (const segment of segments) {
    throwIfInterrupted(signal)
    const [at, lengthBytes] = [position, segmentBytes(segment)]
    position += lengthBytes
    if (Buffer.isBuffer(segment)) {
      await writeAll(file.handle, segment, at)
      continue
    }
    const index = records.push(placeOf(segment, at)) - 1
    if (segment.raw !== undefined) copied.push({index, part: {...segment.raw, lengthBytes, to: at}})
    else hashes[index] = await writeMade(file.handle, segment, at, {signal, onBytes: count})
  }
  const parts = copied.map(({part}) => part)
  const partHashes = await copyParts(file.temporaryPath, parts, {signal, onBytes: count})
  for (const [part, {index}] of copied.entries()) hashes[index] = partHashes[part] ?? ''
  await flusher.finish()
  const tensors = records.map((record, index) => ({...record, sha256: hashes[index] ?? ''}))
  using written = new FileSource(file.temporaryPath)
  return {sizeBytes: position, sampleSha256: contentSample(written), tensors}
}

function placeOf({name, dtype, shape}: OutputTensor, offset: number): Omit<TensorRecord, 'sha256'> {
  return {name, dtype, shape: [...shape], offset, nbytes: tensorBytes(dtype, shape)}
}

/** Writes a tensor piece by piece; each is hashed while it is written. */
async function writeMade(
  handle: FileHandle,
  tensor: OutputTensor,
  at: number,
  {signal, onBytes}: {readonly signal?: AbortSignal | undefined; readonly onBytes: (bytes: number) => void},
): Promise<string> {
  const hash = createHash('sha256')
  let position = at
  for (const piece of tensor.pieces()) {
    throwIfInterrupted(signal)
    const written = quiet(writeAll(handle, piece, position))
    hash.update(piece)
    await written
    position += piece.length
    onBytes(piece.length)
  }
  return hash.digest('hex')
}

/** Keeps the disk busy. */
class Flusher {
  readonly #handle: FileHandle
  #unflushed = 0
  #flush: Promise<void> = Promise.resolve()

  constructor(handle: FileHandle) {
    this.#handle = handle
  }

  add(bytes: number): void {
    this.#unflushed += bytes
    if (this.#unflushed < flushedBytes) return
    this.#unflushed = 0
    this.#flush = quiet(this.#flush.then(async () => this.#handle.datasync()))
  }

  async finish(): Promise<void> {
    await this.#flush
  }
}
