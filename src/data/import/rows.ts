import {printable, VilbertError} from '../../errors.js'
import {broken, FileSource, MemorySource} from '../../formats/byte-source.js'
import {parseJson} from '../../formats/json.js'
import type {JsonObject, JsonValue} from '../../formats/json.js'
import {segmentationOf} from '../../refer/segmentation.js'
import type {Segmentation} from '../../refer/segmentation.js'
import {ownSplits} from '../datasets.js'
import type {Box} from '../overlap.js'
import type {ImportProblems} from './problems.js'

/** How the four numbers of a box are meant: corners, or corner and size as COCO has them. */
export const boxForms = ['xyxy', 'xywh'] as const
export type BoxForm = (typeof boxForms)[number]

/** One phrase about one box, checked by itself. */
export type ImportRow = {
  /** `line 7` or `annotation 12`. */
  readonly where: string
  /** File name or id of the image. */
  readonly image: string
  /** Size in pixels. */
  readonly width: number
  readonly height: number
  readonly phrase: string
  /** x1, y1, x2, y2 in pixels. */
  readonly box: Box
  readonly split: string
  readonly category: string
  /** The outline of what is meant, where COCO JSON has one. */
  readonly segmentation?: Segmentation | undefined
}

const largestFileBytes = 2 ** 30
const largestImageSide = 100_000
const longestText = 10_000
const boxTolerancePx = 2

/**
 * Reads JSON Lines (`{image, width, height, phrase, box, split, category?}`) or COCO JSON whose annotations have a
 * `phrase` (or `phrases`) and whose images or annotations have a `split`. COCO's boxes are always x, y, w, h.
 * @throws FormatError when the file as a whole cannot be read; faults of rows go to `problems`
 */
export function readRows(path: string, boxForm: BoxForm, problems: ImportProblems): ImportRow[] {
  using source = new FileSource(path)
  if (source.sizeBytes > largestFileBytes)
    throw broken(source, 'E_LIMIT', `the file has ${source.sizeBytes} bytes`)
  const bytes = source.read(0, source.sizeBytes)
  return path.toLowerCase().endsWith('.json')
    ? cocoRows(source, bytes, problems)
    : lineRows(source, bytes, boxForm, problems)
}

function lineRows(source: FileSource, bytes: Buffer, form: BoxForm, problems: ImportProblems): ImportRow[] {
  const rows: ImportRow[] = []
  let start = 0
  for (let line = 1; start < bytes.length; line++) {
    const newline = bytes.indexOf(0x0a, start)
    const end = newline === -1 ? bytes.length : newline
    const text = bytes.subarray(start, end)
    start = end + 1
    if (text.every((byte) => byte === 0x20 || byte === 0x0d || byte === 0x09)) continue
    const where = `line ${line}`
    try {
      const value = parseJson(new MemorySource('', text), text, {deepest: 4})
      if (value instanceof Map) keep(rows, readRow(where, value, form, problems))
      else problems.add(where, 'this is not a JSON object')
    } catch (error) {
      if (!(error instanceof VilbertError)) throw error
      problems.add(where, error.message.replace(/^: /, '').replace(/\.$/, ''))
    }
  }
  if (rows.length === 0) problems.add('the file', `no usable row in ${printable(source.name, 300)}`)
  return rows
}

function cocoRows(source: FileSource, bytes: Buffer, problems: ImportProblems): ImportRow[] {
  const top = parseJson(source, bytes)
  const list = (field: string): JsonObject[] => {
    const value = top instanceof Map ? top.get(field) : undefined
    if (!Array.isArray(value)) throw broken(source, 'E_INST_FIELD', `there is no list "${field}"`)
    return value.filter((row) => row instanceof Map)
  }
  const images = new Map(list('images').map((row) => [row.get('id'), row]))
  const categories = new Map(list('categories').map((row) => [row.get('id'), row.get('name')]))
  const rows: ImportRow[] = []
  for (const [index, annotation] of list('annotations').entries()) {
    const id = annotation.get('id')
    const where = typeof id === 'number' ? `annotation ${id}` : `annotation at index ${index}`
    const image = images.get(annotation.get('image_id'))
    if (image === undefined) {
      problems.add(where, 'image_id is no image of the file')
      continue
    }
    const segmentation = outlineOf(annotation, where, problems)
    const phrases = annotation.get('phrases') ?? [annotation.get('phrase') ?? null]
    for (const phrase of Array.isArray(phrases) ? phrases : [null]) {
      const fields: [string, JsonValue | undefined][] = [
        ['image', image.get('file_name') ?? image.get('id')],
        ['width', image.get('width')],
        ['height', image.get('height')],
        ['phrase', phrase],
        ['box', annotation.get('bbox')],
        ['split', annotation.get('split') ?? image.get('split')],
        ['category', categories.get(annotation.get('category_id'))],
      ]
      const row: JsonObject = new Map(
        fields.flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
      )
      const read = readRow(where, row, 'xywh', problems)
      keep(rows, read === undefined ? undefined : {...read, segmentation})
    }
  }
  if (rows.length === 0) problems.add('the file', 'there is no usable annotation')
  return rows
}

function outlineOf(
  annotation: JsonObject,
  where: string,
  problems: ImportProblems,
): Segmentation | undefined {
  const value = annotation.get('segmentation') ?? null
  if (value === null || (Array.isArray(value) && value.length === 0)) return undefined
  const segmentation = segmentationOf(value)
  if (segmentation === undefined) problems.add(where, 'segmentation is neither polygons nor run lengths')
  return segmentation
}

function keep(rows: ImportRow[], row: ImportRow | undefined): void {
  if (row !== undefined) rows.push(row)
}

function readRow(
  where: string,
  row: JsonObject,
  form: BoxForm,
  problems: ImportProblems,
): ImportRow | undefined {
  const faults: string[] = []
  const image = imageOf(row.get('image'), faults)
  const width = sideOf(row, 'width', faults)
  const height = sideOf(row, 'height', faults)
  const phrase = textOf(row, 'phrase', faults)
  const split = textOf(row, 'split', faults)
  if (split !== '' && !ownSplits.includes(split))
    faults.push(`split is ${shown(split)}, it must be ${ownSplits.join(', ')}`)
  const category = row.has('category') ? textOf(row, 'category', faults) : 'object'
  const box = boxOf(row.get('box'), form, width, height, faults)
  for (const fault of faults) problems.add(where, fault)
  if (faults.length > 0 || box === undefined) return undefined
  return {where, image, width, height, phrase, box, split, category}
}

function textOf(row: JsonObject, field: string, faults: string[]): string {
  const text = row.get(field)
  if (typeof text === 'string' && text.trim() !== '' && text.length <= longestText) return text
  const isLong = typeof text === 'string' && text.length > longestText
  faults.push(
    isLong ? `${field} has ${text.length} characters` : `${field} is ${shown(text)}, it must be text`,
  )
  return ''
}

function imageOf(value: JsonValue | undefined, faults: string[]): string {
  if (typeof value === 'string' && value !== '' && value.length <= 300) return value
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return String(value)
  faults.push(`image is ${shown(value)}, it must be a file name or an id`)
  return ''
}

function sideOf(row: JsonObject, field: string, faults: string[]): number {
  const side = row.get(field)
  if (typeof side === 'number' && Number.isInteger(side) && side > 0 && side <= largestImageSide) return side
  faults.push(`${field} is ${shown(side)}, it must be a whole number of pixels`)
  return NaN
}

function boxOf(
  value: JsonValue | undefined,
  form: BoxForm,
  width: number,
  height: number,
  faults: string[],
): Box | undefined {
  const numbers = Array.isArray(value)
    ? value.filter((item) => typeof item === 'number' && Number.isFinite(item))
    : []
  const [x1, y1, a, b] = numbers as number[]
  if (
    !Array.isArray(value) ||
    value.length !== 4 ||
    x1 === undefined ||
    y1 === undefined ||
    a === undefined ||
    b === undefined
  ) {
    faults.push('box is not four numbers')
    return undefined
  }
  const [x2, y2] = form === 'xywh' ? [x1 + a, y1 + b] : [a, b]
  const text = `box [${[x1, y1, a, b].join(', ')}] (${form})`
  if (x2 <= x1 || y2 <= y1) faults.push(`${text} has no area`)
  else if (Math.min(x1, y1) < -boxTolerancePx || x2 > width + boxTolerancePx || y2 > height + boxTolerancePx)
    faults.push(`${text} is outside of its image of ${width} x ${height}`)
  return [x1, y1, x2, y2]
}

function shown(value: JsonValue | undefined): string {
  if (value === undefined) return 'missing'
  if (typeof value === 'string') return `"${printable(value)}"`
  if (value instanceof Map) return 'an object'
  return Array.isArray(value) ? 'a list' : String(value)
}
