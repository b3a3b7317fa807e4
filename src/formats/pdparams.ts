import {FormatError, printable} from '../errors.js'
import {broken} from './byte-source.js'
import type {ByteSource} from './byte-source.js'
import {readDenseTensor} from './dense-tensor.js'
import {elementCount, isShape} from './dtypes.js'
import {paddleGlobals} from './pickle-globals.js'
import {NumpyArray} from './pickle-numpy.js'
import {kindOf, PickleTuple, textOf} from './pickle-values.js'
import type {PickleDict, PickleValue} from './pickle-values.js'
import {readPickle} from './pickle.js'
import {readSafetensors} from './safetensors.js'
import {sniff} from './sniff.js'
import {fortranStrides, unlessContiguous} from './stored-tensor.js'
import type {StoredTensor} from './stored-tensor.js'
import {TensorCollector} from './tensor-collector.js'
import type {Container, Scalar} from './tensor-collector.js'
import {checkTensorName} from './tensor-name.js'

export type ModelFile = {
  readonly container: 'pickle' | 'safetensors' | 'dense-tensor'
  /** In file order; names inside of containers are joined by `/`. */
  readonly tensors: readonly StoredTensor[]
  readonly scalars: ReadonlyMap<string, Scalar>
  /** The keys that lead to each scalar. */
  readonly scalarPaths: ReadonlyMap<string, readonly string[]>
  /** Lists, tuples and empty dicts. */
  readonly containers: readonly Container[]
  /** Paddle's map from structured to parameter names (`StructuredToParameterName@@`), where the file has one. */
  readonly nameTable: ReadonlyMap<string, string> | undefined
  /** The metadata of a safetensors file. */
  readonly metadata: ReadonlyMap<string, string> | undefined
}

/**
 * Reads the structure of a `.pdparams` or `.pdopt` of any Paddle version, whatever its suffix, without its numbers.
 * @throws FormatError for damaged or hostile files and for files of another format
 */
export function readModelFile(source: ByteSource): ModelFile {
  const kind = sniff(source)
  switch (kind) {
    case 'pickle':
      return readPaddlePickle(source)
    case 'safetensors':
      return {container: kind, ...nothingElse, ...readSafetensors(source)}
    case 'dense-tensor':
      return {container: kind, ...nothingElse, tensors: [readDenseTensor(source)]}
    case 'torch-zip':
      throw torchFile(source, 'E_FORMAT_TORCH_ZIP', 'this is a PyTorch checkpoint or another zip file')
    case 'torch-legacy':
      throw torchFile(source, 'E_FORMAT_TORCH_LEGACY', 'this is a PyTorch checkpoint of the form before 1.6')
    case 'html':
      throw broken(source, 'E_FORMAT_HTML', 'this is a web page and not a model, so its download failed')
    case 'lfs-pointer':
      throw broken(source, 'E_FORMAT_LFS', 'this is a Git LFS pointer and not the file itself')
    case 'unknown':
      throw broken(source, 'E_NOT_PICKLE', 'this is not a Paddle parameter file')
  }
}

// What only a pickle can hold besides tensors.
const nothingElse = {
  scalars: new Map<string, Scalar>(),
  scalarPaths: new Map<string, readonly string[]>(),
  containers: [],
  nameTable: undefined,
  metadata: undefined,
}

function torchFile(source: ByteSource, code: string, what: string): FormatError {
  const next = 'Convert it with `vilbert-ts checkpoint convert`.'
  return new FormatError(code, `${printable(source.name, 300)}: ${what}.`, {next})
}

const nameTableKey = 'StructuredToParameterName@@'
const chunksKey = 'UnpackBigParamInfor@@'

function readPaddlePickle(source: ByteSource): ModelFile {
  const top = readPickle(source, {globals: paddleGlobals})
  const collector = new TensorCollector(source, (value, path) => arrayTensor(source, value, path))
  let nameTable: ReadonlyMap<string, string> | undefined
  if (top instanceof Map) {
    const whole = joinChunks(source, top)
    nameTable = takeNameTable(source, top, whole)
    for (const tensor of whole.values()) collector.keep(tensor)
  } else if (!Array.isArray(top) && !(top instanceof PickleTuple) && !(top instanceof NumpyArray)) {
    throw broken(source, 'E_VALUE', `the file holds ${kindOf(top)} in place of a dict of tensors`)
  }
  collector.visit(top, [])
  return {
    container: 'pickle',
    tensors: collector.tensors,
    scalars: collector.scalars,
    scalarPaths: collector.scalarPaths,
    containers: collector.containers,
    nameTable,
    metadata: undefined,
  }
}

// Paddle writes the table beside the tensors; it is about them and not one of them.
function takeNameTable(
  source: ByteSource,
  top: PickleDict,
  whole: ReadonlyMap<string, StoredTensor>,
): ReadonlyMap<string, string> | undefined {
  const table = top.get(nameTableKey)
  if (table === undefined) return undefined
  top.delete(nameTableKey)
  if (!(table instanceof Map)) throw broken(source, 'E_NAMETABLE', `${nameTableKey} is ${kindOf(table)}`)
  const names = new Map<string, string>()
  for (const [structured, parameter] of table) {
    const name = textOf(parameter, source)
    const shown = printable(structured)
    if (name === undefined)
      throw broken(source, 'E_NAMETABLE', `the name of "${shown}" in ${nameTableKey} is not text`)
    if (!top.has(structured) && !whole.has(structured)) {
      throw broken(source, 'E_NAMETABLE', `${nameTableKey} names "${shown}", which is not in the file`)
    }
    names.set(structured, name)
  }
  return names
}

// Protocols below 4 cannot hold 4 GiB in one value, so Paddle cut large parameters into flat slices.
function joinChunks(source: ByteSource, top: PickleDict): ReadonlyMap<string, StoredTensor> {
  const whole = new Map<string, StoredTensor>()
  const table = top.get(chunksKey)
  if (table === undefined) return whole
  top.delete(chunksKey)
  if (!(table instanceof Map)) throw broken(source, 'E_CHUNKS', `${chunksKey} is ${kindOf(table)}`)
  for (const [name, entry] of table) {
    if (top.has(name))
      throw broken(source, 'E_CHUNKS', `"${printable(name)}" is there both whole and in slices`)
    whole.set(name, joinSlices(source, top, name, entry))
  }
  return whole
}

function joinSlices(source: ByteSource, top: PickleDict, name: string, entry: PickleValue): StoredTensor {
  const wrong = (what: string): Error =>
    broken(source, 'E_CHUNKS', `${what} of "${printable(name)}" in ${chunksKey}`)
  if (!(entry instanceof Map) || entry.size !== 2) throw wrong('unusual entry')
  const shapeValue = entry.get('OriginShape')
  const shape = shapeValue instanceof PickleTuple ? shapeValue.items : shapeValue
  const slices = entry.get('slices')
  if (!Array.isArray(shape) || !isShape(shape)) throw wrong('impossible shape')
  if (!Array.isArray(slices) || slices.length === 0) throw wrong('no slices')
  const contents = slices.map((slice, index) => takeSlice(source, top, `${name}@@.${index}`, slice))
  const first = contents[0]
  if (first === undefined || contents.some((content) => content.dtype !== first.dtype))
    throw wrong('mixed types')
  const count = contents.reduce((sum, content) => sum + elementCount(content.shape), 0)
  if (count !== elementCount(shape)) throw wrong(`${count} numbers do not fill shape [${shape.join(', ')}]`)
  const path = [checkTensorName(source, name)]
  return {name, path, dtype: first.dtype, shape, pieces: contents.map((content) => content.data)}
}

function takeSlice(source: ByteSource, top: PickleDict, wanted: string, slice: PickleValue) {
  const array = top.get(wanted)
  const content = array instanceof NumpyArray ? array.content : undefined
  if (textOf(slice, source) !== wanted || content?.shape.length !== 1) {
    throw broken(source, 'E_CHUNKS', `slice "${printable(wanted)}" is missing or not a flat array`)
  }
  top.delete(wanted)
  return content
}

function arrayTensor(
  source: ByteSource,
  value: PickleValue,
  path: readonly string[],
): StoredTensor | undefined {
  if (!(value instanceof NumpyArray)) return undefined
  const name = path.join('/')
  if (value.content === undefined)
    throw broken(source, 'E_ARRAY', `array "${printable(name)}" has no numbers`)
  const {dtype, shape, order, data} = value.content
  const strides = order === 'C' ? undefined : unlessContiguous(shape, fortranStrides(shape))
  return {name, path, dtype, shape, strides, pieces: [data]}
}
