import {printable} from '../errors.js'
import type {FormatError} from '../errors.js'
import {decodeFloats} from './base64.js'
import {broken, MemorySource} from './byte-source.js'
import type {ByteSource} from './byte-source.js'
import type {Lmdb, LmdbEntry} from './lmdb.js'
import {Payload} from './payload.js'
import {plainGlobals} from './pickle-globals.js'
import {kindOf, textOf} from './pickle-values.js'
import type {PickleDict, PickleValue} from './pickle-values.js'
import {readPickle} from './pickle.js'
import type {ProblemSink} from './problems.js'

/** The regions of one image as the feature extractor found them, without the global one. */
export type RegionValue = {
  readonly imageId: number
  /** Size of the image in pixels. */
  readonly width: number
  readonly height: number
  readonly count: number
  /** x1, y1, x2, y2 in pixels: `count` rows of 4. */
  readonly boxes: Float32Array
  /** `count` rows of `featureSize`. */
  readonly features: Float32Array
  /** Mean of the rows: summed in float64 and rounded once. */
  readonly meanFeature: Float32Array
}

const mostRegions = 10_000
const largestImageSide = 100_000
const boxTolerancePx = 2
const keysEntry = 'keys'
const longestNumberBytes = 20

/**
 * The entries of a feature LMDB by image id, ascending, after checking them against its list of keys.
 * Stored images that are not listed go to `onProblem`.
 * @throws FormatError E_LMDB_KEYS, E_LMDB_FILE and those of the pickle reader
 */
export function regionEntries(lmdb: Lmdb, onProblem: ProblemSink = () => undefined): Map<number, LmdbEntry> {
  const fail = (what: string): FormatError => broken(lmdb.source, 'E_LMDB_KEYS', what)
  const stored = new Map<string, LmdbEntry>()
  for (const entry of lmdb.entries()) stored.set(entry.key.toString('latin1'), entry)
  const keysValue = stored.get(keysEntry)
  if (keysValue === undefined) throw fail(`there is no entry "${keysEntry}"`)
  stored.delete(keysEntry)
  const listed = readKeys(lmdb, keysValue, fail)
  for (const key of listed) {
    if (!stored.has(key)) throw fail(`image ${key} is in "${keysEntry}" but has no entry`)
  }
  if (listed.size !== stored.size)
    onProblem(fail(`${stored.size - listed.size} stored images are not in "${keysEntry}"`), 'odd')
  const ids = [...stored].map(([key, entry]): [number, LmdbEntry] => {
    if (!isImageKey(key)) throw fail(`the key "${printable(key)}" is not an image id`)
    return [Number(key), entry]
  })
  return new Map(ids.sort(([a], [b]) => a - b))
}

function readKeys(lmdb: Lmdb, entry: LmdbEntry, fail: (what: string) => FormatError): Set<string> {
  const source = new MemorySource(`${lmdb.source.name}, entry "${keysEntry}"`, lmdb.read(entry))
  const list = readValue(source)
  if (!Array.isArray(list)) throw fail(`"${keysEntry}" is ${kindOf(list)} in place of a list`)
  const keys = new Set<string>()
  for (const item of list) {
    const key = item instanceof Payload ? item.read(source).toString('latin1') : textOf(item, source)
    if (key === undefined || !isImageKey(key)) {
      throw fail(
        `"${keysEntry}" holds ${key === undefined ? kindOf(item) : `"${printable(key)}"`} in place of an image id`,
      )
    }
    if (keys.has(key)) throw fail(`"${keysEntry}" lists image ${key} twice`)
    keys.add(key)
  }
  return keys
}

// Leading zeros would make two keys one image.
function isImageKey(key: string): boolean {
  return /^(?:0|[1-9][0-9]{0,14})$/.test(key)
}

/** Reads the values of images, one at a time, into the same memory: gigabytes go through it. */
export class RegionReader {
  readonly #lmdb: Lmdb
  readonly #featureSize: number
  #value: Buffer = Buffer.alloc(0)
  #features: Float32Array = new Float32Array()

  constructor(lmdb: Lmdb, featureSize: number) {
    this.#lmdb = lmdb
    this.#featureSize = featureSize
  }

  /**
   * Reads the value of one image; its features are good until the next one is read. They are put into `into` behind
   * their mean where both fit. Boxes outside of the image, inverted boxes and numbers that are not finite go to
   * `onProblem`.
   * @throws FormatError naming the LMDB, the image and the field
   */
  read(
    imageId: number,
    entry: LmdbEntry,
    onProblem: ProblemSink = () => undefined,
    into?: Float32Array,
  ): RegionValue {
    const source = new MemorySource(`${this.#lmdb.source.name}, image ${imageId}`, this.#bytesOf(entry))
    if (source.sizeBytes === 0) throw broken(source, 'E_EMPTY', 'the entry is empty')
    const value = readValue(source)
    if (!(value instanceof Map))
      throw broken(source, 'E_LMDB_VALUE', `the entry is ${kindOf(value)} in place of a dict`)
    const fields = new RegionFields(source, value)
    fields.checkImage(imageId)
    const count = fields.number('num_boxes', mostRegions)
    const width = this.#featureSize
    const fitting = (into?.length ?? 0) < (count + 1) * width ? undefined : into
    const features = fields.floats('features', count, width, fitting?.subarray(width) ?? this.#features)
    if (fitting === undefined && features.length > this.#features.length) this.#features = features
    const regions = {
      imageId,
      count,
      width: fields.number('image_w', largestImageSide),
      height: fields.number('image_h', largestImageSide),
      boxes: fields.floats('boxes', count, 4),
      features,
      meanFeature: meanOfRows(features, width, fitting?.subarray(0, width)),
    }
    checkNumbers(source, regions, onProblem)
    return regions
  }

  #bytesOf(entry: LmdbEntry): Buffer {
    if (this.#value.length < entry.lengthBytes) this.#value = Buffer.allocUnsafeSlow(entry.lengthBytes)
    return this.#lmdb.read(entry, this.#value)
  }
}

function readValue(source: ByteSource): PickleValue {
  if (source.sizeBytes === 0) throw broken(source, 'E_EMPTY', 'the entry is empty')
  return readPickle(source, {globals: plainGlobals})
}

class RegionFields {
  readonly #source: ByteSource
  readonly #dict: PickleDict

  constructor(source: ByteSource, dict: PickleDict) {
    this.#source = source
    this.#dict = dict
  }

  checkImage(imageId: number): void {
    const value = this.#dict.get('image_id')
    const text =
      value instanceof Payload && value.lengthBytes <= longestNumberBytes
        ? value.read(this.#source).toString('latin1')
        : (textOf(value, this.#source) ?? (typeof value === 'number' ? String(value) : undefined))
    if (text === String(imageId)) return
    const shown = text === undefined ? kindOf(value) : printable(text)
    throw this.#fail(`image_id is ${shown}, which is another image`)
  }

  /** A whole number from 1 to `largest`; text of digits is one too, because some extractors write it so. */
  number(field: string, largest: number): number {
    const value = this.#dict.get(field)
    const text = textOf(value, this.#source)
    const number = text !== undefined && /^[0-9]{1,9}$/.test(text) ? Number(text) : value
    if (typeof number === 'number' && Number.isSafeInteger(number) && number >= 1 && number <= largest)
      return number
    const shown =
      text === undefined
        ? typeof value === 'number'
          ? String(value)
          : kindOf(value)
        : `"${printable(text)}"`
    throw this.#fail(`${field} is ${shown}`)
  }

  floats(field: string, rows: number, columns: number, into?: Float32Array): Float32Array {
    const value = this.#dict.get(field)
    const encoded =
      value instanceof Payload
        ? value.read(this.#source)
        : typeof value === 'string'
          ? Buffer.from(value)
          : undefined
    if (encoded === undefined) throw this.#fail(`${field} is ${kindOf(value)} in place of base64`)
    const floats = decodeFloats(encoded, rows * columns, into)
    if (floats === undefined) {
      const wanted = `${rows} x ${columns} float32 numbers in base64`
      throw this.#fail(`${field} is not ${wanted} (${encoded.length} characters)`)
    }
    return floats
  }

  #fail(what: string): FormatError {
    return broken(this.#source, 'E_LMDB_FIELD', what)
  }
}

/** Hands boxes outside of the image, inverted boxes and numbers that are not finite to `onProblem`. */
export function checkNumbers(
  source: {readonly name: string},
  regions: RegionValue,
  onProblem: ProblemSink,
): void {
  const {boxes, meanFeature, width, height} = regions
  // A sum of float32 cannot overflow a float64, so it is finite exactly when all its terms are.
  if (!Number.isFinite(sumOf(meanFeature)))
    onProblem(broken(source, 'E_NONFINITE', 'features holds NaN or Inf'), 'wrong')
  const report = (at: number, code: string, what: string, kind: 'wrong' | 'odd'): void => {
    const box = `box ${at / 4} (${boxes.subarray(at, at + 4).join(', ')})`
    onProblem(broken(source, code, `${box} is ${what}`), kind)
  }
  for (let at = 0; at < boxes.length; at += 4) {
    const x1 = boxes[at] ?? NaN
    const y1 = boxes[at + 1] ?? NaN
    const x2 = boxes[at + 2] ?? NaN
    const y2 = boxes[at + 3] ?? NaN
    // A sum is finite only when all its terms are.
    if (!Number.isFinite(x1 + y1 + x2 + y2)) report(at, 'E_NONFINITE', 'not finite', 'wrong')
    else if (x2 < x1 || y2 < y1) report(at, 'E_LMDB_FIELD', 'inside out', 'wrong')
    else if (
      Math.min(x1, y1) < -boxTolerancePx ||
      x2 > width + boxTolerancePx ||
      y2 > height + boxTolerancePx
    ) {
      report(at, 'E_LMDB_FIELD', `outside of its image of ${width} x ${height}`, 'odd')
    }
  }
}

function sumOf(numbers: Float32Array): number {
  let sum = 0
  for (const number of numbers) sum += number
  return sum
}

/** Mean of rows of `featureSize`, in `into` where that is given: summed in float64 and rounded once. */
export function meanOfRows(
  features: Float32Array,
  featureSize: number,
  into: Float32Array = new Float32Array(featureSize),
): Float32Array {
  const count = features.length / featureSize
  // Down four columns at once: their sums stay in registers.
  for (let column = 0; column < featureSize; column += 4) {
    let [first, second, third, fourth] = [0, 0, 0, 0]
    for (let at = column; at < features.length; at += featureSize) {
      first += features[at] ?? 0
      second += features[at + 1] ?? 0
      third += features[at + 2] ?? 0
      fourth += features[at + 3] ?? 0
    }
    into[column] = first / count
    into[column + 1] = second / count
    into[column + 2] = third / count
    into[column + 3] = fourth / count
  }
  return into
}
