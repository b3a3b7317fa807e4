import {createReadStream, existsSync} from 'node:fs'
import {open, rm} from 'node:fs/promises'
import type {FileHandle} from 'node:fs/promises'

import {z} from 'zod'

/** What a region store that is being built will be: a part of another one cannot be continued. */
export type StoreIdentity = {readonly source: string; readonly dtype: 'F32' | 'F16'}

const count = z.int().nonnegative()
const batchSchema = z.strictObject({
  endBytes: count,
  /** Id, width, height, and the boxes: float32 in base64. */
  images: z.array(z.tuple([count, count, count, z.base64()])),
})

/** Images whose features reach to `endBytes` of the unfinished store. */
export type JournalBatch = z.output<typeof batchSchema>
export type JournalImage = JournalBatch['images'][number]

/**
 * Says what of an unfinished store is safe on the disk: a line for every batch of images, written after the features
 * were flushed. A killed build goes on behind the last whole line.
 */
export class RegionJournal implements AsyncDisposable {
  readonly #path: string
  readonly #head: string
  #handle: FileHandle | undefined
  #sizeBytes = 0

  private constructor(path: string, head: string) {
    this.#path = path
    this.#head = head
  }

  /**
   * Opens the journal of a store of which `partBytes` are there. `onBatch` hears of each batch that is whole; what
   * comes behind, or belongs to another store, is forgotten. A store of a single batch never gets a journal.
   */
  static async open(
    path: string,
    identity: StoreIdentity,
    partBytes: number,
    onBatch: (batch: JournalBatch) => void,
  ): Promise<RegionJournal> {
    const {source, dtype} = identity
    const head = JSON.stringify({schema: 'vilbert-ts/regions-journal@1', source, dtype})
    const journal = new RegionJournal(path, head)
    for await (const {text, sizeBytes} of wholeLines(path)) {
      const batch = journal.#sizeBytes === 0 ? undefined : parseBatch(text)
      const isGood = journal.#sizeBytes === 0 ? text === head : (batch?.endBytes ?? Infinity) <= partBytes
      if (!isGood) break
      if (batch !== undefined) onBatch(batch)
      journal.#sizeBytes += sizeBytes
    }
    return journal
  }

  /** Notes a batch; what was written behind the last whole line goes. */
  async add(batch: JournalBatch): Promise<void> {
    if (this.#handle === undefined) {
      this.#handle = await open(this.#path, this.#sizeBytes === 0 ? 'w' : 'r+')
      await this.#handle.truncate(this.#sizeBytes)
    }
    const head = this.#sizeBytes === 0 ? `${this.#head}\n` : ''
    const bytes = Buffer.from(`${head}${JSON.stringify(batch)}\n`)
    await this.#handle.write(bytes, 0, bytes.length, this.#sizeBytes)
    await this.#handle.datasync()
    this.#sizeBytes += bytes.length
  }

  /** Every batch from the first one on. */
  async *batches(): AsyncGenerator<JournalBatch, void, undefined> {
    let readBytes = 0
    for await (const {text, sizeBytes} of wholeLines(this.#path)) {
      readBytes += sizeBytes
      if (readBytes > this.#sizeBytes) return
      const batch = parseBatch(text)
      if (batch !== undefined) yield batch
    }
  }

  async remove(): Promise<void> {
    await rm(this.#path, {force: true})
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle?.close()
    this.#handle = undefined
  }
}

function parseBatch(text: string): JournalBatch | undefined {
  try {
    return batchSchema.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}

// A line without its end was being written when the process was killed.
async function* wholeLines(
  path: string,
): AsyncGenerator<{readonly text: string; readonly sizeBytes: number}, void, undefined> {
  if (!existsSync(path)) return
  let rest = Buffer.alloc(0)
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let start = 0
    for (let end = bytes.indexOf(newline); end !== -1; end = bytes.indexOf(newline, start)) {
      yield {text: bytes.toString('utf8', start, end), sizeBytes: end + 1 - start}
      start = end + 1
    }
    rest = Buffer.from(bytes.subarray(start))
  }
}

const newline = 0x0a
