import type {AtomicFile} from '../files.js'
import {openAtomic} from '../files.js'
import {FileSource} from '../formats/byte-source.js'
import {Lmdb} from '../formats/lmdb.js'
import {refuseWrong} from '../formats/problems.js'
import {readRegions, regionEntries} from '../formats/region-values.js'
import type {RegionValue} from '../formats/region-values.js'
import {safetensorsHeader} from '../formats/safetensors-writer.js'
import type {TensorSpec} from '../formats/safetensors-writer.js'
import {readSafetensors} from '../formats/safetensors.js'
import {breathe} from '../breathe.js'
import type {OnPrepareProgress} from './progress.js'

export type BuildRegionsOptions = {
  /** What progress calls this work. */
  readonly stage: string
  /** Written into the metadata. */
  readonly fingerprint: string
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: OnPrepareProgress | undefined
}

/** The width of a region's feature in every known extractor's file. */
export const featureSize = 2048
const headerBytes = 4096
const schema = 'vilbert-ts/regions@1'
const breatheEveryMs = 50

/**
 * Builds the trusted form of a feature LMDB: one safetensors file that Python maps into memory, images by ascending
 * id, and before each image's regions a global one (the mean of its features, the whole image as its box).
 * Features are streamed, so memory does not grow with them; only boxes and ids are held until the end.
 * @throws FormatError naming the image and the field; nothing is left behind then
 */
export async function buildRegions(
  lmdbPath: string,
  target: string,
  options: BuildRegionsOptions,
): Promise<void> {
  using lmdb = new Lmdb(lmdbPath)
  const entries = regionEntries(lmdb, refuseWrong)
  await using file = await openAtomic(target)
  const writer = new RegionWriter(file)
  const totalBytes = [...entries.values()].reduce((sum, entry) => sum + entry.lengthBytes, 0)
  let doneBytes = 0
  let breathed = performance.now()
  for (const [imageId, entry] of entries) {
    await writer.add(readRegions(lmdb, imageId, entry, featureSize, refuseWrong))
    doneBytes += entry.lengthBytes
    if (performance.now() - breathed < breatheEveryMs) continue
    options.onProgress?.({stage: options.stage, doneBytes, totalBytes})
    await breathe(options.signal)
    breathed = performance.now()
  }
  await writer.finish(options.fingerprint)
  options.onProgress?.({stage: options.stage, doneBytes, totalBytes})
}

/** The image ids of a region store, or undefined when the file is missing, cut off or not of this form. */
export function readRegionImageIds(path: string): Set<number> | undefined {
  try {
    using source = new FileSource(path)
    const {tensors, metadata} = readSafetensors(source)
    const ids = tensors.find((tensor) => tensor.name === 'image_ids')?.pieces[0]
    if (ids === undefined || metadata.get('schema') !== schema) return undefined
    const bytes = ids.read(source)
    return new Set(
      Array.from({length: bytes.length / 8}, (_, index) => Number(bytes.readBigInt64LE(index * 8))),
    )
  } catch {
    return undefined
  }
}

/**
 * Streams the features behind a space for the header, and adds the small tensors when all are known.
 * Images are added by ascending id.
 */
export class RegionWriter {
  readonly #file: AtomicFile
  readonly #boxes: Float32Array[] = []
  readonly #imageIds: number[] = []
  readonly #firstRegions = [0]
  readonly #sizes: number[] = []
  #regionCount = 0
  #offset = headerBytes
  #pending: Promise<unknown> = Promise.resolve()

  constructor(file: AtomicFile) {
    this.#file = file
  }

  async add(regions: RegionValue): Promise<void> {
    const {imageId, width, height, count, boxes, features, meanFeature} = regions
    const rows = new Float32Array((count + 1) * featureSize)
    rows.set(meanFeature)
    rows.set(features, featureSize)
    const boxRows = new Float32Array((count + 1) * 4)
    boxRows.set([0, 0, width, height])
    boxRows.set(boxes, 4)
    this.#boxes.push(boxRows)
    this.#imageIds.push(imageId)
    this.#sizes.push(width, height)
    this.#regionCount += count + 1
    this.#firstRegions.push(this.#regionCount)
    await this.#write(rows)
  }

  async finish(fingerprint: string): Promise<void> {
    const imageCount = this.#imageIds.length
    const entries: TensorSpec[] = [
      {name: 'features', dtype: 'F32', shape: [this.#regionCount, featureSize]},
      {name: 'boxes', dtype: 'F32', shape: [this.#regionCount, 4]},
      {name: 'image_ids', dtype: 'I64', shape: [imageCount]},
      {name: 'first_region', dtype: 'I64', shape: [imageCount + 1]},
      {name: 'image_sizes', dtype: 'I64', shape: [imageCount, 2]},
    ]
    for (const boxes of this.#boxes) await this.#write(boxes)
    for (const numbers of [this.#imageIds, this.#firstRegions, this.#sizes]) {
      await this.#write(BigInt64Array.from(numbers, BigInt))
    }
    await this.#pending
    const header = safetensorsHeader(entries, {schema, source: fingerprint}, headerBytes)
    await this.#file.handle.write(header, 0, header.length, 0)
    await this.#file.commit()
  }

  // One write is in flight while the next image is decoded.
  async #write(numbers: Float32Array | BigInt64Array): Promise<void> {
    await this.#pending
    const bytes = Buffer.from(numbers.buffer, numbers.byteOffset, numbers.byteLength)
    this.#pending = writeAll(this.#file, bytes, this.#offset)
    this.#offset += bytes.length
  }
}

async function writeAll(file: AtomicFile, bytes: Buffer, offset: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const {bytesWritten} = await file.handle.write(bytes, done, bytes.length - done, offset + done)
    done += bytesWritten
  }
}
