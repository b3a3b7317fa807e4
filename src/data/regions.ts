import {breathe} from '../breathe.js'
import {FileSource} from '../formats/byte-source.js'
import {readSafetensors} from '../formats/safetensors.js'
import type {OnPrepareProgress} from './progress.js'
import type {RegionSource} from './region-source.js'
import {RegionWriter, storeSchema} from './region-writer.js'
import type {RegionWriterOptions} from './region-writer.js'

export type BuildRegionsOptions = RegionWriterOptions & {
  /** What progress calls this work. */
  readonly stage: string
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: OnPrepareProgress | undefined
}

const breatheEveryMs = 50

/**
 * Builds the trusted form of region features: one safetensors file that Python maps into memory, images by ascending
 * id, and before each image's regions a global one (the mean of its features, the whole image as its box).
 * Goes on where a build of the same file was killed or stopped, and then gives the same bytes.
 * @throws FormatError naming the image and the field; nothing is under the final name then
 */
export async function buildRegions(
  source: RegionSource,
  target: string,
  options: BuildRegionsOptions,
): Promise<void> {
  const {stage, signal, onProgress} = options
  await using writer = await RegionWriter.open(target, options)
  const totalBytes = source.images.reduce((sum, {lengthBytes}) => sum + lengthBytes, 0)
  const ready = writer.imageIds.length
  let doneBytes = 0
  let breathed = performance.now()
  for (const [index, {lengthBytes}] of source.images.entries()) {
    doneBytes += lengthBytes
    if (index < ready) continue
    await writer.add(source.read(index, writer.space))
    if (performance.now() - breathed < breatheEveryMs) continue
    onProgress?.({stage, doneBytes, totalBytes})
    await breathe(signal)
    breathed = performance.now()
  }
  await writer.finish()
  onProgress?.({stage, doneBytes, totalBytes})
}

/** The image ids of a region store, or undefined when the file is missing, cut off or not of this form. */
export function readRegionImageIds(path: string): Set<number> | undefined {
  try {
    using source = new FileSource(path)
    const {tensors, metadata} = readSafetensors(source)
    const ids = tensors.find((tensor) => tensor.name === 'image_ids')?.pieces[0]
    if (ids === undefined || metadata.get('schema') !== storeSchema) return undefined
    const bytes = ids.read(source)
    return new Set(
      Array.from({length: bytes.length / 8}, (_, index) => Number(bytes.readBigInt64LE(index * 8))),
    )
  } catch {
    return undefined
  }
}
