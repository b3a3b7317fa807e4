import {mkdir} from 'node:fs/promises'
import path from 'node:path'
import {z} from 'zod'
import type {Bridge} from '../bridge/bridge.js'
import {datasetLayout} from '../data/datasets.js'
import {ConfigError, DataError, printable} from '../errors.js'
import {openAtomic} from '../files.js'
import type {RefDetails} from './ref.js'
import {readSegmentation} from './segmentation.js'

/** The ref whose mask {@link writeMaskPicture} draws. */
export type MaskPictureOptions = {
  readonly dataRoot: string
  readonly ref: RefDetails
  /** The PNG to write; its folder is made. */
  readonly output: string
  readonly signal?: AbortSignal | undefined
}

const writtenSchema = z.object({
  areaPx: z.number().int(),
  box: z.tuple([z.number(), z.number(), z.number(), z.number()]),
})

/** The picture of a mask; all sizes are in pixels. */
export type MaskPictureResult = {
  readonly output: string
  readonly refId: number
  readonly annId: number
  readonly widthPx: number
  readonly heightPx: number
  /** Pixels inside the mask. */
  readonly areaPx: number
  /** The smallest box around them: x1, y1, x2, y2. */
  readonly box: readonly [number, number, number, number]
}

/**
 * Writes the mask of a ref's annotation as a grey PNG of the image's size: 255 inside, 0 outside. The file appears
 * only when it is whole. The bridge needs `maskEnvironment()`.
 *
 * @throws {DataError} when the annotation has no mask or a damaged one, or the file cannot be written
 * @throws {EnvironmentError} when the mask extension is not built
 */
export async function writeMaskPicture(
  bridge: Bridge,
  {dataRoot, ref, output, signal}: MaskPictureOptions,
): Promise<MaskPictureResult> {
  if (!/\.png$/i.test(output)) throw new ConfigError(`The output ${printable(output)} must end in .png.`)
  const {refId, annId, image} = ref
  const {instancesFile} = datasetLayout(dataRoot, ref.dataset, ref.splitBy)
  const segmentation = readSegmentation(instancesFile, annId)
  const source = `${instancesFile}, annotation ${annId}`
  await using file = await openOutput(output)
  const request = {segmentation, height: image.height, width: image.width, output: file.temporaryPath, source}
  const {areaPx, box} = await bridge.call('refer.png:write_mask', request, {reply: writtenSchema, signal})
  await file.commit().catch((error: unknown) => {
    throw notWritable(output, error)
  })
  const [x, y, width, height] = box
  const size = {widthPx: image.width, heightPx: image.height}
  return {output, refId, annId, ...size, areaPx, box: [x, y, x + width, y + height]}
}

async function openOutput(output: string): ReturnType<typeof openAtomic> {
  try {
    await mkdir(path.dirname(output), {recursive: true})
    return await openAtomic(output)
  } catch (error) {
    throw notWritable(output, error)
  }
}

function notWritable(output: string, error: unknown): DataError {
  const reason = error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason'
  return new DataError(`${printable(output, 300)} cannot be written (${reason}).`, {cause: error})
}
