import {DataError} from '../errors.js'
import {broken, FileSource} from '../formats/byte-source.js'
import {parseJson, type JsonValue} from '../formats/json.js'

/** An annotation's mask as COCO writes it: polygons x0, y0, x1, y1, …, or run lengths. */
export type Segmentation =
  | readonly (readonly number[])[]
  | {readonly size: readonly number[]; readonly counts: string | readonly number[]}

/**
 * Reads the mask of one annotation. Only its form is checked here; the mask functions check the numbers.
 *
 * @throws {DataError} when the annotation has no mask
 * @throws {FormatError} when it is there but is none
 */
export function readSegmentation(instancesFile: string, annId: number): Segmentation {
  using source = new FileSource(instancesFile)
  const top = parseJson(source, source.read(0, source.sizeBytes))
  const annotations = top instanceof Map ? top.get('annotations') : undefined
  const rows = Array.isArray(annotations) ? annotations : []
  const row = rows.find((candidate) => candidate instanceof Map && candidate.get('id') === annId)
  const value = row instanceof Map ? row.get('segmentation') : undefined
  if (value === undefined || value === null || (Array.isArray(value) && value.length === 0)) {
    throw new DataError(`${source.name}: annotation ${annId} has no segmentation.`, {code: 'E_NO_MASK'})
  }
  const segmentation = segmentationOf(value)
  if (segmentation !== undefined) return segmentation
  const what = `the segmentation of annotation ${annId} is neither polygons nor run lengths`
  throw broken(source, 'E_INST_FIELD', what)
}

/** Polygons or run lengths; undefined for anything else. */
export function segmentationOf(value: JsonValue): Segmentation | undefined {
  return polygonsOf(value) ?? runLengthsOf(value)
}

function polygonsOf(value: JsonValue): Segmentation | undefined {
  return Array.isArray(value) && value.every(isNumbers) ? value : undefined
}

function runLengthsOf(value: JsonValue): Segmentation | undefined {
  if (!(value instanceof Map)) return undefined
  const size = value.get('size')
  const counts = value.get('counts')
  const isRight = isNumbers(size) && (typeof counts === 'string' || isNumbers(counts))
  return isRight ? {size, counts} : undefined
}

function isNumbers(value: JsonValue | undefined): value is number[] {
  return Array.isArray(value) && value.every((number) => typeof number === 'number')
}
