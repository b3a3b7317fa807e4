import {constants} from 'node:fs'
import {open, rename} from 'node:fs/promises'
import type {FileHandle} from 'node:fs/promises'
import {basename, dirname, join} from 'node:path'

import {quiet} from '../breathe.js'
import {syncFolder, writeAll} from '../files.js'
import {broken} from '../formats/byte-source.js'
import {toHalves} from '../formats/half-floats.js'
import type {RegionValue} from '../formats/region-values.js'
import {safetensorsHeader} from '../formats/safetensors-writer.js'
import type {TensorSpec} from '../formats/safetensors-writer.js'
import {BlockWriter} from './block-writer.js'
import {RegionJournal} from './region-journal.js'
import type {JournalImage, StoreIdentity} from './region-journal.js'

export type RegionWriterOptions = StoreIdentity & {
  /** Bytes of features between two flushes; more where the disk is slower than what comes. @default 16 MiB */
  readonly batchBytes?: number | undefined
}

/** The width of a region's feature in every known extractor's file. */
export const featureSize = 2048
/** What the metadata of a store say that it is. */
export const storeSchema = 'vilbert-ts/regions@1'
const headerBytes = 4096
/** How many times its size a batch can grow while the disk takes in the one before: what a kill can cost. */
const largestGrowth = 4

/** The unfinished store, hidden beside its final name; a build that was killed goes on with it. */
export function storePart(target: string): string {
  return join(dirname(target), `.${basename(target)}.part`)
}

/** What says how much of the unfinished store is safe. */
export function storeJournal(target: string): string {
  return `${storePart(target)}.jsonl`
}

/**
 * Writes a region store: features are streamed behind a space for the header, and the small tensors follow when all
 * are known. Images are added by ascending id. Every batch is flushed and noted in a journal, so that a build that
 * was killed goes on behind the last batch; memory does not grow with the features or boxes.
 */
export class RegionWriter implements AsyncDisposable {
  readonly #target: string
  readonly #identity: StoreIdentity
  readonly #batchBytes: number
  readonly #handle: FileHandle
  readonly #imageIds: number[] = []
  readonly #firstRegions = [0]
  readonly #sizes: number[] = []
  #journal!: RegionJournal
  #blocks!: BlockWriter
  #batchStart = headerBytes
  #batch: JournalImage[] = []
  #flushing: Promise<unknown> = Promise.resolve()
  #isFlushing = false
  #closed = false

  private constructor(target: string, handle: FileHandle, {source, dtype, batchBytes}: RegionWriterOptions) {
    this.#target = target
    this.#handle = handle
    this.#identity = {source, dtype}
    this.#batchBytes = batchBytes ?? 16 * 2 ** 20
  }

  /** Opens what an earlier build of this very store left, or begins a new one. */
  static async open(target: string, options: RegionWriterOptions): Promise<RegionWriter> {
    const noFollow = (constants.O_NOFOLLOW as number | undefined) ?? 0
    const handle = await open(storePart(target), constants.O_RDWR | constants.O_CREAT | noFollow)
    const writer = new RegionWriter(target, handle, options)
    try {
      await writer.#resume()
      return writer
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  /** The ids of the images that are there already. */
  get imageIds(): readonly number[] {
    return this.#imageIds
  }

  /** Where the rows of the next image may be put, the mean first: what lies there is not copied. */
  get space(): Float32Array | undefined {
    if (this.#identity.dtype !== 'F32') return undefined
    const {buffer, byteOffset, length} = this.#blocks.space
    return new Float32Array(buffer, byteOffset, Math.floor(length / Float32Array.BYTES_PER_ELEMENT))
  }

  /** @throws FormatError E_FLOAT16 for features that float16 cannot hold */
  async add(regions: RegionValue): Promise<void> {
    const {imageId, width, height, count, boxes, features, meanFeature} = regions
    const boxRows = new Float32Array((count + 1) * 4)
    boxRows.set([0, 0, width, height])
    boxRows.set(boxes, 4)
    const rows = [this.#encode(regions, meanFeature), this.#encode(regions, features)]
    this.#note(imageId, width, height, count + 1)
    this.#batch.push([imageId, width, height, bytesOf(boxRows).toString('base64')])
    for (const bytes of rows) await this.#blocks.add(bytes)
    const batchBytes = this.#blocks.offset - this.#batchStart
    if (batchBytes >= (this.#isFlushing ? largestGrowth : 1) * this.#batchBytes) await this.#flush()
  }

  /** Completes the file and gives it its name. */
  async finish(): Promise<void> {
    await this.#flushing
    const regionCount = this.#firstRegions.at(-1) ?? 0
    const imageCount = this.#imageIds.length
    const {source, dtype} = this.#identity
    const entries: TensorSpec[] = [
      {name: 'features', dtype, shape: [regionCount, featureSize]},
      {name: 'boxes', dtype: 'F32', shape: [regionCount, 4]},
      {name: 'image_ids', dtype: 'I64', shape: [imageCount]},
      {name: 'first_region', dtype: 'I64', shape: [imageCount + 1]},
      {name: 'image_sizes', dtype: 'I64', shape: [imageCount, 2]},
    ]
    for await (const {images} of this.#journal.batches()) await this.#blocks.add(boxesOf(images))
    await this.#blocks.add(boxesOf(this.#batch))
    for (const numbers of [this.#imageIds, this.#firstRegions, this.#sizes]) {
      await this.#blocks.add(bytesOf(BigInt64Array.from(numbers, BigInt)))
    }
    await this.#blocks.push()
    await this.#blocks.written()
    const header = safetensorsHeader(entries, {schema: storeSchema, source}, headerBytes)
    await writeAll(this.#handle, header, 0)
    await this.#commit()
  }

  /** Closes the files; what is there stays for the next build. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await Promise.allSettled([this.#blocks.written(), this.#flushing])
    await this.#journal[Symbol.asyncDispose]()
    await this.#handle.close()
  }

  async #resume(): Promise<void> {
    const {size} = await this.#handle.stat()
    let offset = headerBytes
    this.#journal = await RegionJournal.open(
      storeJournal(this.#target),
      this.#identity,
      size,
      ({endBytes, images}) => {
        for (const [imageId, width, height, boxes] of images) {
          this.#note(imageId, width, height, Buffer.byteLength(boxes, 'base64') / 16)
        }
        offset = endBytes
      },
    )
    this.#batchStart = offset
    this.#blocks = new BlockWriter(this.#handle, offset)
    await this.#handle.truncate(offset)
  }

  #note(imageId: number, width: number, height: number, regionCount: number): void {
    this.#imageIds.push(imageId)
    this.#sizes.push(width, height)
    this.#firstRegions.push((this.#firstRegions.at(-1) ?? 0) + regionCount)
  }

  #encode({imageId}: RegionValue, floats: Float32Array): Buffer {
    if (this.#identity.dtype === 'F32') return bytesOf(floats)
    const {bits, overflowAt} = toHalves(floats)
    if (overflowAt === undefined) return bytesOf(bits)
    const what = `a feature of image ${imageId} is ${floats[overflowAt] ?? NaN}, and float16 ends at 65504`
    throw broken({name: this.#target}, 'E_FLOAT16', what)
  }

  // The disk takes in one batch while the next is made. Noted is only what it has taken in.
  async #flush(): Promise<void> {
    await this.#flushing
    await this.#blocks.push()
    const written = this.#blocks.written()
    const endBytes = this.#blocks.offset
    const batch = {endBytes, images: this.#batch}
    this.#batch = []
    this.#batchStart = endBytes
    const flush = async (): Promise<void> => {
      this.#isFlushing = true
      try {
        await written
        await this.#handle.datasync()
        await this.#journal.add(batch)
      } finally {
        this.#isFlushing = false
      }
    }
    this.#flushing = quiet(flush())
  }

  async #commit(): Promise<void> {
    await this.#handle.sync()
    this.#closed = true
    await this.#handle.close()
    await this.#journal[Symbol.asyncDispose]()
    await rename(storePart(this.#target), this.#target)
    await syncFolder(dirname(this.#target))
    await this.#journal.remove()
  }
}

function boxesOf(images: readonly JournalImage[]): Buffer {
  return Buffer.concat(images.map(([, , , boxes]) => Buffer.from(boxes, 'base64')))
}

function bytesOf({buffer, byteOffset, byteLength}: ArrayBufferView): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength)
}
