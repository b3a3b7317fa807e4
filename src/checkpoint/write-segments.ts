import {createHash} from 'node:crypto'
import {open} from 'node:fs/promises'
import type {FileHandle} from 'node:fs/promises'

import {throwIfInterrupted} from '../breathe.js'
import {CheckpointError, printable} from '../errors.js'
import type {AtomicFile} from '../files.js'
import {FileSource} from '../formats/byte-source.js'
import {tensorBytes} from '../formats/dtypes.js'
import type {TensorRecord} from './metadata.js'
import type {OutputTensor} from './output-tensor.js'
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

const pieceBytes = 2 << 20
/** So many bytes are handed to the disk while the next ones are read, so that the flush at the end has little left. */
const flushedBytes = 128 << 20

/**
 * Writes the parts of a file in order and hashes each tensor: while one piece is hashed, the one before is written and
 * the next is read. The file takes its name when the caller commits it.
 */
export async function writeSegments(
  file: AtomicFile,
  segments: readonly Segment[],
  options: WriteOptions = {},
): Promise<WrittenPayload> {
  const writer = new PieceWriter(file.handle)
  await using input = new RawReader()
  const tensors: TensorRecord[] = []
  for (const segment of segments) {
    if (Buffer.isBuffer(segment)) await writer.write(segment)
    else tensors.push(await writeTensor(writer, input, segment, options))
  }
  await writer.finish()
  using written = new FileSource(file.temporaryPath)
  return {sizeBytes: writer.position, sampleSha256: contentSample(written), tensors}
}

async function writeTensor(
  writer: PieceWriter,
  input: RawReader,
  tensor: OutputTensor,
  {signal, onBytes}: WriteOptions,
): Promise<TensorRecord> {
  const hash = createHash('sha256')
  const offset = writer.position
  const {name, dtype, shape, raw} = tensor
  const nbytes = tensorBytes(dtype, shape)
  for await (const piece of raw === undefined
    ? tensor.pieces()
    : input.pieces(raw.file, raw.offset, nbytes)) {
    throwIfInterrupted(signal)
    const written = writer.write(piece)
    hash.update(piece)
    await written
    onBytes?.(piece.length)
  }
  return {name, dtype, shape: [...shape], offset, nbytes, sha256: hash.digest('hex')}
}

/** Reads one piece ahead into three buffers in turn: fresh ones for a gigabyte would cost more than the copying. */
class RawReader implements AsyncDisposable {
  #path: string | undefined
  #handle: FileHandle | undefined
  readonly #buffers: Buffer[] = []
  #next = 0

  async *pieces(path: string, offset: number, lengthBytes: number): AsyncGenerator<Buffer, void, undefined> {
    const handle = await this.#open(path)
    const end = offset + lengthBytes
    const read = (at: number): Promise<Buffer> => this.#read(handle, path, at, Math.min(pieceBytes, end - at))
    let ahead = lengthBytes === 0 ? undefined : read(offset)
    for (let at = offset; ahead !== undefined; at += pieceBytes) {
      const piece = await ahead
      ahead = at + pieceBytes < end ? read(at + pieceBytes) : undefined
      ahead?.catch(() => undefined)
      yield piece
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle?.close()
  }

  async #open(path: string): Promise<FileHandle> {
    if (this.#handle !== undefined && this.#path === path) return this.#handle
    await this.#handle?.close()
    this.#path = path
    this.#handle = await open(path, 'r')
    return this.#handle
  }

  async #read(handle: FileHandle, path: string, offset: number, lengthBytes: number): Promise<Buffer> {
    const slot = this.#next++ % 3
    const buffer = (this.#buffers[slot] ??= Buffer.allocUnsafeSlow(pieceBytes))
    for (let filled = 0; filled < lengthBytes;) {
      const {bytesRead} = await handle.read(buffer, filled, lengthBytes - filled, offset + filled)
      if (bytesRead === 0) throw shorter(path)
      filled += bytesRead
    }
    return buffer.subarray(0, lengthBytes)
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

function shorter(path: string): CheckpointError {
  return new CheckpointError(`${printable(path, 300)} became shorter while it was read.`, {
    code: 'E_TRUNCATED',
    next: 'Run the command again when nothing writes to the file.',
  })
}
