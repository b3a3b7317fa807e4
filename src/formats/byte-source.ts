import {closeSync, constants, fstatSync, openSync, readSync} from 'node:fs'

import {FormatError, printable} from '../errors.js'

/** Bytes that can be read at any place. The readers of this folder never see more of a file than they ask for. */
export type ByteSource = {
  /** How messages call it: the path as the user gave it. */
  readonly name: string
  readonly sizeBytes: number
  /** How many bytes are worth fetching at once. */
  readonly windowBytes: number
  /** Exactly these bytes, in `into` where that is of use; they may be a view, so they are not changed. */
  read(offset: number, lengthBytes: number, into?: Buffer): Buffer
}

const firstWindowBytes = 4096

/** A regular file, read by position. */
export class FileSource implements ByteSource, Disposable {
  readonly name: string
  readonly sizeBytes: number
  readonly windowBytes = firstWindowBytes
  readonly #descriptor: number

  /** @throws FormatError E_IO, E_NOT_FILE or E_EMPTY */
  constructor(path: string) {
    this.name = path
    this.#descriptor = openWithoutWaiting(path)
    const status = fstatSync(this.#descriptor)
    this.sizeBytes = status.size
    const problem = status.isFile() ? (status.size === 0 ? 'E_EMPTY' : undefined) : 'E_NOT_FILE'
    if (problem === undefined) return
    this[Symbol.dispose]()
    throw problem === 'E_EMPTY'
      ? broken(this, 'E_EMPTY', 'the file is empty')
      : broken(this, 'E_NOT_FILE', `this is ${status.isDirectory() ? 'a folder' : 'not a regular file'}`)
  }

  read(offset: number, lengthBytes: number, into?: Buffer): Buffer {
    const isLarge = into !== undefined && into.length >= lengthBytes
    const bytes = isLarge ? into.subarray(0, lengthBytes) : Buffer.allocUnsafe(lengthBytes)
    for (let filled = 0; filled < lengthBytes;) {
      const count = readSync(this.#descriptor, bytes, filled, lengthBytes - filled, offset + filled)
      if (count === 0) throw broken(this, 'E_TRUNCATED', 'the file ends early', offset + filled)
      filled += count
    }
    return bytes
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor)
  }
}

/** Bytes that are in memory already, such as a value of an LMDB. */
export class MemorySource implements ByteSource {
  readonly name: string
  readonly sizeBytes: number
  readonly windowBytes: number
  readonly #bytes: Buffer

  constructor(name: string, bytes: Buffer) {
    this.name = name
    this.#bytes = bytes
    this.sizeBytes = bytes.length
    this.windowBytes = bytes.length
  }

  read(offset: number, lengthBytes: number): Buffer {
    return this.#bytes.subarray(offset, offset + lengthBytes)
  }
}

/** The error of a damaged file: says which, what is wrong and, where known, at which byte. */
export function broken(
  source: {readonly name: string},
  code: string,
  what: string,
  offset?: number,
): FormatError {
  const where = offset === undefined ? '' : ` (at byte ${offset})`
  const message = `${printable(source.name, 300)}: ${what}${where}.`
  return new FormatError(code, message, offset === undefined ? {} : {offset})
}

// O_NONBLOCK: opening a pipe that nobody writes to must not hang.
function openWithoutWaiting(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY | ((constants.O_NONBLOCK as number | undefined) ?? 0))
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? error.code : undefined
    const what =
      reason === 'ENOENT' ? 'there is no such file' : `the file cannot be opened (${String(reason)})`
    throw new FormatError('E_IO', `${printable(path, 300)}: ${what}.`, {cause: error})
  }
}
