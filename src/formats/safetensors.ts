import {printable} from '../errors.js'
import {broken} from './byte-source.js'
import type {ByteSource} from './byte-source.js'
import {isDtype, isShape, tensorBytes} from './dtypes.js'
import {parseJson} from './json.js'
import type {JsonObject, JsonValue} from './json.js'
import {Payload} from './payload.js'
import type {StoredTensor} from './stored-tensor.js'
import {checkTensorName} from './tensor-name.js'

export type Safetensors = {
  /** In the order of the header. */
  readonly tensors: readonly StoredTensor[]
  readonly metadata: ReadonlyMap<string, string>
}

const largestHeaderBytes = 100_000_000
const deepestHeader = 6

/**
 * Reads the header of a safetensors file, strictly: no name or field twice, no hole, no overlap, nothing behind.
 * @throws FormatError E_ST_HEADER, E_ST_JSON, E_ST_DUP, E_ST_FIELD, E_ST_DTYPE, E_ST_SHAPE, E_ST_OFFSETS, E_ST_META
 */
export function readSafetensors(source: ByteSource): Safetensors {
  const {header, dataStart} = readHeader(source)
  const metadata = readMetadata(source, header.get('__metadata__'))
  header.delete('__metadata__')
  const tensors = [...header].map(([name, entry]) => readEntry(source, name, entry, dataStart))
  checkCoverage(source, tensors, dataStart)
  return {tensors, metadata}
}

function readHeader(source: ByteSource): {header: JsonObject; dataStart: number} {
  if (source.sizeBytes < 8) throw broken(source, 'E_TRUNCATED', 'the file is shorter than its first field')
  const headerBytes = Number(source.read(0, 8).readBigUInt64LE(0))
  if (headerBytes < 2 || headerBytes > largestHeaderBytes || headerBytes > source.sizeBytes - 8) {
    throw broken(
      source,
      'E_ST_HEADER',
      `a header of ${headerBytes} bytes does not fit a file of ${source.sizeBytes}`,
    )
  }
  const bytes = source.read(8, headerBytes)
  if (bytes[0] !== 0x7b) throw broken(source, 'E_ST_JSON', 'the header does not begin with {', 8)
  const header = parseJson(source, bytes, {
    syntaxCode: 'E_ST_JSON',
    duplicateCode: 'E_ST_DUP',
    deepest: deepestHeader,
    integersOnly: true,
    start: 8,
  })
  if (!(header instanceof Map)) throw broken(source, 'E_ST_JSON', 'the header is not an object')
  return {header, dataStart: 8 + headerBytes}
}

function readMetadata(source: ByteSource, value: JsonValue | undefined): ReadonlyMap<string, string> {
  const metadata = new Map<string, string>()
  if (value === undefined) return metadata
  if (!(value instanceof Map)) throw broken(source, 'E_ST_META', '__metadata__ is not an object')
  for (const [key, text] of value) {
    if (typeof text !== 'string')
      throw broken(source, 'E_ST_META', `"${printable(key)}" in __metadata__ is not text`)
    metadata.set(key, text)
  }
  return metadata
}

function readEntry(source: ByteSource, name: string, entry: JsonValue, dataStart: number): StoredTensor {
  checkTensorName(source, name)
  const shown = printable(name)
  if (!(entry instanceof Map) || entry.size !== 3)
    throw broken(source, 'E_ST_FIELD', `"${shown}" has other fields than a tensor has`)
  const [dtype, shape, offsets] = ['dtype', 'shape', 'data_offsets'].map((field) => entry.get(field))
  if (dtype === undefined || shape === undefined || offsets === undefined) {
    throw broken(source, 'E_ST_FIELD', `"${shown}" has other fields than a tensor has`)
  }
  if (typeof dtype !== 'string' || !isDtype(dtype) || dtype === 'C128') {
    throw broken(
      source,
      'E_ST_DTYPE',
      `"${shown}" has an unknown type${typeof dtype === 'string' ? ` ${printable(dtype)}` : ''}`,
    )
  }
  if (!Array.isArray(shape) || !isShape(shape))
    throw broken(source, 'E_ST_SHAPE', `the shape of "${shown}" is not possible`)
  const {begin, end} = readOffsets(source, shown, offsets)
  if (tensorBytes(dtype, shape) !== end - begin) {
    const what = `"${shown}" of shape [${shape.join(', ')}] and type ${dtype} does not fit its ${end - begin} bytes`
    throw broken(source, 'E_ST_SHAPE', what)
  }
  const data = Payload.raw('bytes', dataStart + begin, end - begin)
  return {name, path: [name], dtype, shape, pieces: [data]}
}

function readOffsets(source: ByteSource, shown: string, value: JsonValue): {begin: number; end: number} {
  const [begin, end] = Array.isArray(value) && value.length === 2 ? value : []
  const isOffset = (offset: unknown): offset is number => Number.isSafeInteger(offset) && Number(offset) >= 0
  if (!isOffset(begin) || !isOffset(end) || begin > end) {
    throw broken(source, 'E_ST_OFFSETS', `the data_offsets of "${shown}" are not possible`)
  }
  return {begin, end}
}

// Holes could hide data, overlaps could make one tensor change another.
function checkCoverage(source: ByteSource, tensors: readonly StoredTensor[], dataStart: number): void {
  const places = tensors.map((tensor) => ({
    name: tensor.name,
    offset: tensor.pieces[0]?.offset ?? 0,
    lengthBytes: tensor.pieces[0]?.lengthBytes ?? 0,
  }))
  places.sort((a, b) => a.offset - b.offset || a.lengthBytes - b.lengthBytes)
  let covered = dataStart
  for (const {name, offset, lengthBytes} of places) {
    if (offset !== covered) {
      throw broken(
        source,
        'E_ST_OFFSETS',
        `there is a hole or an overlap before "${printable(name)}"`,
        covered,
      )
    }
    covered += lengthBytes
  }
  if (covered !== source.sizeBytes) {
    const what = `its tensors end at byte ${covered}, the file has ${source.sizeBytes}`
    throw broken(source, 'E_ST_OFFSETS', what)
  }
}
