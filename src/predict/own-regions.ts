import {statSync} from 'node:fs'
import {extname} from 'node:path'
import {
  openFeatures,
  readImageFile,
  readNpyFile,
  regionValue,
  type WantedImage,
} from '../data/import/features.js'
import {featureSize} from '../data/region-writer.js'
import {DataError, printable} from '../errors.js'
import {decodeFloats} from '../formats/base64.js'
import {broken, FileSource} from '../formats/byte-source.js'
import {parseJson, type JsonValue} from '../formats/json.js'
import {holdsObjects, readNpyArray} from '../formats/npy-array.js'
import type {RegionValue} from '../formats/region-values.js'
import {readStoredZip} from '../formats/zip.js'

/** Boxes and features of pictures that are in no data set. */
export type OwnRegions = Disposable & {
  /** Whether all there is is about one picture. */
  readonly isOfOnePicture: boolean
  /** @throws DataError E_REGIONS_MISSING, or FormatError naming the file and the fault */
  read(picture: string, wanted: WantedImage): RegionValue
}

type FileReader = (path: string, wanted: WantedImage) => RegionValue

const fileReaders: Readonly<Record<string, FileReader>> = {
  '.safetensors': readImageFile,
  '.npz': readNpz,
  '.npy': readNpy,
  '.json': readJson,
}
const largestJsonBytes = 256 << 20

/** The forms that a file may have, as messages say it. */
const regionForms =
  `.safetensors or .npz with "boxes" [N, 4] (x1, y1, x2, y2 in pixels) and "features" [N, ${featureSize}], .json with ` +
  'lists of those names, .npy of the 12-in-1 extractor or with rows of a box and its features, or for many pictures a folder of .safetensors or .npy, or a .tsv, as `data import` takes them'

/**
 * Opens the regions of one picture (a file) or of many (a folder of `<picture>.safetensors`, or a TSV of bottom-up
 * attention).
 * @throws DataError E_FEATURES, E_MISSING_FILE
 */
export function openOwnRegions(path: string): OwnRegions {
  const status = statSync(path, {throwIfNoEntry: false})
  const readFile = status?.isFile() === true ? fileReaders[extname(path).toLowerCase()] : undefined
  if (readFile !== undefined)
    return {
      isOfOnePicture: true,
      read: (_, wanted) => readFile(path, wanted),
      [Symbol.dispose]: () => undefined,
    }
  if (status?.isFile() === true && extname(path).toLowerCase() !== '.tsv') {
    throw new DataError(`The regions ${printable(path, 300)} are of no form that is known.`, {
      code: 'E_FEATURES',
      next: `Known are ${regionForms}.`,
    })
  }
  const features = openFeatures(path)
  return {
    isOfOnePicture: false,
    read(picture, wanted) {
      const key = features.find(picture)
      if (key !== undefined) return features.read(key, wanted)
      throw new DataError(`${printable(path, 300)} has no regions of ${printable(picture, 300)}.`, {
        code: 'E_REGIONS_MISSING',
        next: 'A picture goes by its file name without the ending, or by the number at its end.',
      })
    },
    [Symbol.dispose]: () => {
      features[Symbol.dispose]()
    },
  }
}

function readNpz(path: string, wanted: WantedImage): RegionValue {
  using source = new FileSource(path)
  const entries = new Map(readStoredZip(source).map((entry) => [entry.name, entry]))
  const rows = (name: string, columns: number): Float32Array => {
    const entry = entries.get(`${name}.npy`)
    if (entry === undefined)
      throw broken(source, 'E_FEATURES', `there is no array "${name}" (np.savez writes such a file)`)
    const {shape, numbers} = readNpyArray(source, entry.offset, entry.lengthBytes)
    if (shape.length === 2 && shape[1] === columns && numbers.length > 0) return numbers
    throw broken(source, 'E_FEATURES', `"${name}" is of shape [${shape.join(', ')}], not [N, ${columns}]`)
  }
  return regionValue(source, wanted, rows('features', featureSize), rows('boxes', 4))
}

// The extractor of 12-in-1 writes a dict; numpy.save of one array writes rows of numbers.
function readNpy(path: string, wanted: WantedImage): RegionValue {
  using source = new FileSource(path)
  if (holdsObjects(source)) return readNpyFile(path, wanted)
  const {shape, numbers} = readNpyArray(source)
  const columns = 4 + featureSize
  if (shape.length !== 2 || shape[1] !== columns || numbers.length === 0) {
    const what = `the array is of shape [${shape.join(', ')}], not [N, ${columns}]: a box and its features each row`
    throw broken(source, 'E_FEATURES', what)
  }
  const count = numbers.length / columns
  const boxes = new Float32Array(count * 4)
  const features = new Float32Array(count * featureSize)
  for (let row = 0; row < count; row++) {
    boxes.set(numbers.subarray(row * columns, row * columns + 4), row * 4)
    features.set(numbers.subarray(row * columns + 4, (row + 1) * columns), row * featureSize)
  }
  return regionValue(source, wanted, features, boxes)
}

function readJson(path: string, wanted: WantedImage): RegionValue {
  using source = new FileSource(path)
  if (source.sizeBytes > largestJsonBytes)
    throw broken(source, 'E_LIMIT', `the file has ${source.sizeBytes} bytes`)
  const top = parseJson(source, source.read(0, source.sizeBytes))
  const field = (name: string): JsonValue | undefined => (top instanceof Map ? top.get(name) : undefined)
  for (const side of ['width', 'height'] as const) {
    const stated = field(side)
    if (stated !== undefined && stated !== wanted[side])
      throw broken(source, 'E_FEATURES', `${side} is not ${wanted[side]}, that of the picture`)
  }
  const boxes = jsonRows(field('boxes'), 4)
  if (boxes === undefined) throw broken(source, 'E_FEATURES', '"boxes" is not a list of boxes of 4 numbers')
  const given = field('features')
  const features =
    typeof given === 'string'
      ? decodeFloats(Buffer.from(given), (boxes.length / 4) * featureSize)
      : jsonRows(given, featureSize)
  if (features === undefined) {
    const what = `"features" is neither a list of lists of ${featureSize} numbers nor those as float32 in base64`
    throw broken(source, 'E_FEATURES', what)
  }
  return regionValue(source, wanted, features, boxes)
}

function jsonRows(value: JsonValue | undefined, columns: number): Float32Array | undefined {
  if (!Array.isArray(value) || value.length === 0) return undefined
  const rows = value.filter((row) => Array.isArray(row) && row.length === columns) as JsonValue[][]
  if (rows.length !== value.length) return undefined
  const numbers = rows.flat()
  return numbers.every((number) => typeof number === 'number') ? Float32Array.from(numbers) : undefined
}
