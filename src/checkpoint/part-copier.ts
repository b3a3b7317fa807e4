import {createHash} from 'node:crypto'
import {closeSync, openSync, readSync, writeSync} from 'node:fs'

import {CheckpointError, printable} from '../errors.js'

/** Bytes of a file, and where in another one they go. */
export type Part = {
  readonly file: string
  readonly offset: number
  readonly lengthBytes: number
  readonly to: number
}

/** So little that what was read is still in the processor's nearest cache when it is hashed and written. */
const chunkBytes = 256 << 10

/** Copies parts of files into a file that is there, and hashes them on the way. */
export class PartCopier implements Disposable {
  readonly #target: number
  readonly #sources = new Map<string, number>()
  readonly #chunk = Buffer.allocUnsafeSlow(chunkBytes)

  constructor(target: string) {
    this.#target = openSync(target, 'r+')
  }

  /**
   * Copies a part and gives its SHA-256; `onBytes` hears of each chunk.
   * @throws CheckpointError E_TRUNCATED
   */
  copy({file, offset, lengthBytes, to}: Part, onBytes: (bytes: number) => void): string {
    const source = this.#sources.get(file) ?? openSync(file, 'r')
    this.#sources.set(file, source)
    const hash = createHash('sha256')
    for (let done = 0; done < lengthBytes;) {
      const wanted = Math.min(chunkBytes, lengthBytes - done)
      const read = readSync(source, this.#chunk, 0, wanted, offset + done)
      if (read === 0) throw becameShorter(file)
      hash.update(this.#chunk.subarray(0, read))
      for (let written = 0; written < read;) {
        written += writeSync(this.#target, this.#chunk, written, read - written, to + done + written)
      }
      done += read
      onBytes(read)
    }
    return hash.digest('hex')
  }

  [Symbol.dispose](): void {
    closeSync(this.#target)
    for (const source of this.#sources.values()) closeSync(source)
  }
}

export function becameShorter(path: string): CheckpointError {
  return new CheckpointError(`${printable(path, 300)} became shorter while it was read.`, {
    code: 'E_TRUNCATED',
    next: 'Run the command again when nothing writes to the file.',
  })
}
