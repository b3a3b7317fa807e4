import {readdirSync, statSync} from 'node:fs'
import {basename, extname, join} from 'node:path'

import {isFloat, toNumbers} from '../../checkpoint/float-casts.js'
import {DataError, printable} from '../../errors.js'
import {decodeFloats} from '../../formats/base64.js'
import {broken, FileSource} from '../../formats/byte-source.js'
import {refuseWrong} from '../../formats/problems.js'
import {readNpyDict} from '../../formats/npy.js'
import type {NpyField} from '../../formats/npy.js'
import {checkNumbers, meanOfRows} from '../../formats/region-values.js'
import type {RegionValue} from '../../formats/region-values.js'
import {readSafetensors} from '../../formats/safetensors.js'
import {featureSize} from '../region-writer.js'

/** Size of an image in pixels, and the id it gets. */
export type WantedImage = {readonly imageId: number; readonly width: number; readonly height: number}

/** Region features of images from outside, read one image at a time. */
export type FeatureSource = Disposable & {
  /** What the source calls an image that rows call `image`, or undefined when it has none. */
  find(image: string): string | undefined
  /** @throws FormatError naming the file, the image and the field */
  read(key: string, wanted: WantedImage): RegionValue
}

/**
 * Opens features: a TSV of bottom-up attention, or a folder with `<image>.safetensors` each of `features` [N, 2048]
 * and `boxes` [N, 4] (F32; x1, y1, x2, y2 in pixels), or with the `<image>.npy` of the 12-in-1 extractor.
 * @throws DataError E_FEATURES for anything else, with what to do
 */
export function openFeatures(path: string): FeatureSource {
  const status = statSync(path, {throwIfNoEntry: false})
  if (status === undefined)
    throw new DataError(`The features ${printable(path, 300)} do not exist.`, {code: 'E_MISSING_FILE'})
  return status.isDirectory() ? openFolder(path) : openTable(path)
}

const mostRegions = 10_000

function openFolder(path: string): FeatureSource {
  const names = readdirSync(path)
  const files = new Map(
    ['.npy', '.safetensors'].flatMap((ending) =>
      names.filter((name) => extname(name) === ending).map((name) => [stemOf(name), name]),
    ),
  )
  if (files.size === 0) {
    const message = `There are no .safetensors or .npy files in ${printable(path, 300)}.`
    throw new DataError(message, {
      code: 'E_FEATURES',
      next: 'Pass a folder with one for each image, or a .tsv file.',
    })
  }
  return {
    find: (image) => namesOf(image).find((name) => files.has(name)),
    read(key, wanted) {
      const file = join(path, files.get(key) ?? '')
      return extname(file) === '.npy' ? readNpyFile(file, wanted) : readImageFile(file, wanted)
    },
    [Symbol.dispose]: () => undefined,
  }
}

/** Reads the regions of one image from a safetensors file. @throws FormatError */
export function readImageFile(path: string, wanted: WantedImage): RegionValue {
  using source = new FileSource(path)
  const {tensors} = readSafetensors(source)
  const floats = (name: string, columns: number): Float32Array => {
    const tensor = tensors.find((each) => each.name === name)
    const [rows = 0, width] = tensor?.shape ?? []
    const bytes = tensor?.pieces[0]?.read(source)
    if (
      bytes === undefined ||
      tensor?.dtype !== 'F32' ||
      tensor.shape.length !== 2 ||
      width !== columns ||
      rows < 1
    )
      throw broken(source, 'E_FEATURES', `"${name}" is not an F32 tensor of shape [N, ${columns}]`)
    return new Float32Array(new Uint8Array(bytes).buffer)
  }
  return regionValue(source, wanted, floats('features', featureSize), floats('boxes', 4))
}

type TableRow = {readonly line: number; readonly offset: number; readonly lengthBytes: number}

const pieceBytes = 4 << 20

function openTable(path: string): FeatureSource {
  const source = new FileSource(path)
  try {
    const rows = indexTable(source)
    return {
      find: (image) => namesOf(image).find((name) => rows.has(name)),
      read(key, wanted) {
        const row = rows.get(key)
        if (row === undefined) throw broken(source, 'E_FEATURES', `there is no image ${printable(key)}`)
        return readTableRow(source, row, wanted)
      },
      [Symbol.dispose]: () => {
        source[Symbol.dispose]()
      },
    }
  } catch (error) {
    source[Symbol.dispose]()
    throw error
  }
}

// One pass for the places of the lines: a line is up to a megabyte, and images are wanted in another order.
function indexTable(source: FileSource): Map<string, TableRow> {
  const rows = new Map<string, TableRow>()
  let line = 1
  let start = 0
  const add = (end: number): void => {
    if (end > start) {
      const head = source.read(start, Math.min(400, end - start)).toString('latin1')
      const key = head.slice(0, Math.max(0, head.indexOf('\t')))
      if (key === '') throw broken(source, 'E_FEATURES', `line ${line} has no column`, start)
      if (rows.has(key))
        throw broken(source, 'E_FEATURES', `line ${line} is of image ${printable(key)} again`)
      rows.set(key, {line, offset: start, lengthBytes: end - start})
    }
    start = end + 1
    line++
  }
  for (let at = 0; at < source.sizeBytes; at += pieceBytes) {
    const piece = source.read(at, Math.min(pieceBytes, source.sizeBytes - at))
    for (let found = piece.indexOf(0x0a); found !== -1; found = piece.indexOf(0x0a, found + 1))
      add(at + found)
  }
  add(source.sizeBytes)
  return rows
}

const longestLineBytes = 256 << 20

function readTableRow(source: FileSource, row: TableRow, wanted: WantedImage): RegionValue {
  const fail = (what: string): Error => broken(source, 'E_FEATURES', `line ${row.line}: ${what}`)
  if (row.lengthBytes > longestLineBytes) throw fail(`it has ${row.lengthBytes} bytes`)
  const text = source.read(row.offset, row.lengthBytes).toString('latin1').replace(/\r$/, '')
  const [, width, height, count, boxes, features, ...more] = text.split('\t')
  if (features === undefined || more.length > 0)
    throw fail('it has not the six columns image_id, image_w, image_h, num_boxes, boxes, features')
  if (Number(width) !== wanted.width || Number(height) !== wanted.height)
    throw fail(
      `its image has ${printable(`${width} x ${height}`)} pixels, its rows say ${wanted.width} x ${wanted.height}`,
    )
  const rows = Number(count)
  if (!Number.isInteger(rows) || rows < 1 || rows > mostRegions)
    throw fail(`num_boxes is "${printable(count ?? '')}"`)
  const featureRows = decodeFloats(Buffer.from(features), rows * featureSize)
  const boxRows = decodeFloats(Buffer.from(boxes ?? ''), rows * 4)
  if (featureRows === undefined)
    throw fail(`features is not ${rows} x ${featureSize} float32 numbers in base64`)
  if (boxRows === undefined) throw fail(`boxes is not ${rows} x 4 float32 numbers in base64`)
  return regionValue({name: `${source.name}, line ${row.line}`}, wanted, featureRows, boxRows)
}

/** Checks the regions of one image. @throws FormatError naming the source and the fault */
export function regionValue(
  source: {readonly name: string},
  wanted: WantedImage,
  features: Float32Array,
  boxes: Float32Array,
): RegionValue {
  const count = features.length / featureSize
  if (boxes.length !== 4 * count)
    throw broken(source, 'E_FEATURES', `there are ${count} features but ${boxes.length / 4} boxes`)
  const value = {...wanted, count, boxes, features, meanFeature: meanOfRows(features, featureSize)}
  checkNumbers(source, value, refuseWrong)
  return value
}

// The extractor of 12-in-1 saves {features, bbox, num_boxes, image_width, image_height, …}, some copies with other names.
/** Reads the regions of one image from a .npy of the 12-in-1 extractor. @throws FormatError */
export function readNpyFile(path: string, wanted: WantedImage): RegionValue {
  using source = new FileSource(path)
  const fields = readNpyDict(source)
  const fail = (what: string): Error => broken(source, 'E_FEATURES', what)
  const sizes = [
    ['image_width', 'image_w', wanted.width],
    ['image_height', 'image_h', wanted.height],
  ] as const
  for (const [name, other, size] of sizes) {
    const stated = fields.get(name) ?? fields.get(other) ?? size
    if (stated === size) continue
    throw fail(`${name} is ${typeof stated === 'number' ? stated : 'no number'}, the rows say ${size}`)
  }
  const rowsOf = (name: string, columns: number): Float32Array => {
    const floats = floatRows(source, fields.get(name), columns)
    if (floats === undefined) throw fail(`it has no floating point "${name}" of shape [N, ${columns}]`)
    return floats
  }
  const features = rowsOf('features', featureSize)
  const boxes = rowsOf(fields.has('bbox') ? 'bbox' : 'boxes', 4)
  const count = fields.get('num_boxes') ?? features.length / featureSize
  if (count !== features.length / featureSize)
    throw fail(`num_boxes does not fit ${features.length / featureSize} features`)
  return regionValue(source, wanted, features, boxes)
}

function floatRows(
  source: FileSource,
  field: NpyField | undefined,
  columns: number,
): Float32Array | undefined {
  if (typeof field !== 'object' || field === null || !('order' in field)) return undefined
  const {shape, dtype, order, data} = field
  const [rows = 0, width] = shape
  if (shape.length !== 2 || width !== columns || rows < 1 || rows > mostRegions || !isFloat(dtype))
    return undefined
  const numbers = Float32Array.from(toNumbers(Buffer.from(data.read(source)), dtype))
  if (order === 'C') return numbers
  return Float32Array.from(
    numbers,
    (_, at) => numbers[(at % columns) * rows + Math.floor(at / columns)] ?? NaN,
  )
}

/** The number at the end of an image's name: COCO_train2014_000000000009.jpg is image 9. */
export function numberOf(image: string): number | undefined {
  const digits = /(\d{1,15})$/.exec(stemOf(image))?.[1]
  return digits === undefined ? undefined : Number(digits)
}

// As given, without its ending, and as the number at its end.
function namesOf(image: string): string[] {
  const number = numberOf(image)
  return [image, stemOf(image), ...(number === undefined ? [] : [String(number)])]
}

function stemOf(image: string): string {
  return basename(image, extname(image))
}
