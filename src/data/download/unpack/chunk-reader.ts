/** Takes exact amounts of bytes from a stream that comes in pieces of any size. */
export class ChunkReader {
  readonly #chunks: AsyncIterator<Buffer>
  #rest: Buffer = Buffer.alloc(0)

  constructor(source: AsyncIterable<Buffer>) {
    this.#chunks = source[Symbol.asyncIterator]()
  }

  /** Exactly so many bytes; nothing when the stream ends before. */
  async take(lengthBytes: number): Promise<Buffer | undefined> {
    const taken: Buffer[] = []
    for (let missing = lengthBytes; missing > 0;) {
      const chunk = await this.takeSome(missing)
      if (chunk === undefined) return undefined
      taken.push(chunk)
      missing -= chunk.length
    }
    return Buffer.concat(taken)
  }

  /** At least one byte and at most so many; nothing at the end. */
  async takeSome(mostBytes: number): Promise<Buffer | undefined> {
    while (this.#rest.length === 0) {
      const next = await this.#chunks.next()
      if (next.done === true) return undefined
      this.#rest = next.value
    }
    const taken = this.#rest.subarray(0, mostBytes)
    this.#rest = this.#rest.subarray(taken.length)
    return taken
  }
}
