import type {FileHandle} from 'node:fs/promises'

import {breathe, quiet} from '../breathe.js'
import {writeAll} from '../files.js'

type Block = {readonly memory: Buffer; written: Promise<void>}

const blockCount = 4
const blockBytes = 4 * 2 ** 20

/** Writes bytes one behind the other in large blocks: while some are being written, the next is filled. */
export class BlockWriter {
  readonly #handle: FileHandle
  readonly #pushed: Block[] = []
  #block = newBlock()
  #start: number
  #filled = 0

  constructor(handle: FileHandle, offset: number) {
    this.#handle = handle
    this.#start = offset
  }

  /** Where the next byte goes in the file. */
  get offset(): number {
    return this.#start + this.#filled
  }

  /** What is left of the block that is being filled. Bytes that are put at its beginning are added without a copy. */
  get space(): Buffer {
    return this.#block.memory.subarray(this.#filled)
  }

  /** Settled when all that was pushed is in the file. */
  async written(): Promise<void> {
    await Promise.all(this.#pushed.map(({written}) => written))
  }

  async add(bytes: Buffer): Promise<void> {
    for (let from = 0; from < bytes.length;) {
      const {space} = this
      const isInPlace = bytes.buffer === space.buffer && bytes.byteOffset + from === space.byteOffset
      const length = Math.min(bytes.length - from, space.length)
      if (!isInPlace) bytes.copy(space, 0, from, from + length)
      from += length
      this.#filled += length
      if (length === space.length) await this.push()
    }
  }

  /** Begins to write what was added; waits only where every block is being written. */
  async push(): Promise<void> {
    const bytes = this.#block.memory.subarray(0, this.#filled)
    this.#block.written = quiet(writeAll(this.#handle, bytes, this.#start))
    this.#start += bytes.length
    this.#filled = 0
    this.#pushed.push(this.#block)
    const oldest = this.#pushed.length < blockCount ? undefined : this.#pushed.shift()
    await oldest?.written
    this.#block = oldest ?? newBlock()
    // Those who wait for what was written have their turn now, not when the program next has to wait.
    await breathe(undefined)
  }
}

function newBlock(): Block {
  return {memory: Buffer.allocUnsafeSlow(blockBytes), written: Promise.resolve()}
}
