import {printable} from '../errors.js'
import {broken} from './byte-source.js'
import type {ByteSource} from './byte-source.js'
import {dtypeBytes, elementCount, isShape} from './dtypes.js'
import type {Dtype} from './dtypes.js'
import {Payload} from './payload.js'
import {plainGlobals} from './pickle-globals.js'
import {unusual} from './pickle-numpy.js'
import {PickleGlobal, PickleObject, PickleTuple, textOf} from './pickle-values.js'
import type {PickleContext, PickleGlobals, PickleValue} from './pickle-values.js'
import type {PickleOptions} from './pickle.js'
import {unlessContiguous} from './stored-tensor.js'
import type {StoredTensor} from './stored-tensor.js'

/** A storage of PyTorch: numbers of one type under a key; where they lie is known from outside of the pickle. */
export class TorchStorage extends PickleObject {
  readonly kind = 'a storage'
  override readonly isData = true
  readonly key: string
  readonly dtype: Dtype
  readonly count: number

  constructor(key: string, dtype: Dtype, count: number) {
    super()
    this.key = key
    this.dtype = dtype
    this.count = count
  }
}

/** A view of a storage; offset and strides count numbers. */
export class TorchTensor extends PickleObject {
  readonly kind = 'a tensor'
  override readonly isData = true
  readonly storage: TorchStorage
  readonly offset: number
  readonly shape: readonly number[]
  readonly strides: readonly number[]

  constructor(storage: TorchStorage, offset: number, shape: readonly number[], strides: readonly number[]) {
    super()
    this.storage = storage
    this.offset = offset
    this.shape = shape
    this.strides = strides
  }
}

const mostRepeatedNumbers = 1 << 20

const dtypeOfStorage: Readonly<Record<string, Dtype>> = {
  FloatStorage: 'F32',
  DoubleStorage: 'F64',
  HalfStorage: 'F16',
  BFloat16Storage: 'BF16',
  LongStorage: 'I64',
  IntStorage: 'I32',
  ShortStorage: 'I16',
  CharStorage: 'I8',
  ByteStorage: 'U8',
  BoolStorage: 'BOOL',
  ComplexFloatStorage: 'C64',
  ComplexDoubleStorage: 'C128',
}

/** What PyTorch's files of weights may name. */
export const torchGlobals: PickleGlobals = new Map([
  ...plainGlobals,
  ...Object.keys(dtypeOfStorage).map((name): [string, PickleGlobal] => [`torch ${name}`, storageType(name)]),
  ['torch._utils _rebuild_tensor', rebuildTensor(4)],
  ['torch._utils _rebuild_tensor_v2', rebuildTensor(6)],
  ['torch._utils _rebuild_parameter', rebuildParameter()],
])

/** The storage of a persistent id: ('storage', type, key, device, number of elements), in old files with a view behind. */
export function loadStorage(id: PickleValue, context: PickleContext): TorchStorage {
  const items = id instanceof PickleTuple ? id.items : []
  const [tag, type, key, , count, view] = items
  const dtype = type instanceof PickleGlobal ? dtypeOfStorage[type.name] : undefined
  const keyText = textOf(key, context.source)
  const isUsual = textOf(tag, context.source) === 'storage' && (items.length === 5 || items.length === 6)
  if (!isUsual || dtype === undefined || keyText === undefined || !isCount(count)) {
    throw context.fail('E_REDUCE', 'the file points to a storage in an unusual way')
  }
  if (view !== undefined && view !== null)
    throw context.fail('E_REDUCE', 'a storage is a view of another one')
  return new TorchStorage(keyText, dtype, count)
}

/** Where the bytes of each storage lie, by its key. */
export type StoragePlaces = ReadonlyMap<string, {readonly offset: number; readonly lengthBytes: number}>

/** The pickle of a PyTorch file, and where the storages lie that it points to. */
export type TorchContent = {readonly value: PickleValue; readonly places: StoragePlaces}

/** How the pickles of PyTorch are read. */
export const torchPickle: PickleOptions = {
  globals: torchGlobals,
  persistentLoad: loadStorage,
  dropDictState: true,
}

/** The tensor of a value that is one, at its place in the file. */
export function torchTensor(
  source: ByteSource,
  places: StoragePlaces,
  value: PickleValue,
  path: readonly string[],
): StoredTensor | undefined {
  if (!(value instanceof TorchTensor)) return undefined
  const name = path.join('/')
  const {storage, shape} = value
  const {dtype} = storage
  const place = places.get(storage.key)
  const itemBytes = dtypeBytes[dtype]
  if (place?.lengthBytes !== storage.count * itemBytes) {
    throw broken(source, 'E_ARRAY', `the storage of "${printable(name)}" is missing or of another size`)
  }
  const span = spanOf(shape, value.strides)
  if (value.offset + span > storage.count) {
    throw broken(
      source,
      'E_ARRAY',
      `"${printable(name)}" reaches beyond its storage of ${storage.count} numbers`,
    )
  }
  checkExpansion(source, name, shape, storage)
  const data = Payload.raw('bytes', place.offset + value.offset * itemBytes, span * itemBytes)
  return {name, path, dtype, shape, strides: unlessContiguous(shape, value.strides), pieces: [data]}
}

// How many numbers of the storage a view spans.
function spanOf(shape: readonly number[], strides: readonly number[]): number {
  if (shape.includes(0)) return 0
  return shape.reduce((span, size, axis) => span + (size - 1) * (strides[axis] ?? 0), 1)
}

// A stride of 0 repeats numbers, so a few bytes could claim to be a gigabyte.
function checkExpansion(
  source: ByteSource,
  name: string,
  shape: readonly number[],
  storage: TorchStorage,
): void {
  const count = elementCount(shape)
  if (count <= Math.max(storage.count, mostRepeatedNumbers)) return
  throw broken(
    source,
    'E_LIMIT',
    `"${printable(name)}" repeats its storage of ${storage.count} numbers too often`,
  )
}

function storageType(name: string): PickleGlobal {
  return new PickleGlobal(name, (_, context) => {
    throw unusual(`torch.${name}`, context)
  })
}

// (storage, offset, size, strides), since PyTorch 0.4 with requires_grad and hooks, which must be empty.
function rebuildTensor(count: number): PickleGlobal {
  return new PickleGlobal('torch _rebuild_tensor', (args, context) => {
    const [storage, offset, size, strides, requiresGrad, hooks] = args
    const shape = size instanceof PickleTuple ? size.items : []
    const steps = strides instanceof PickleTuple ? strides.items : []
    const isUsual =
      (args.length === count || args.length === count + 1) &&
      storage instanceof TorchStorage &&
      isCount(offset) &&
      size instanceof PickleTuple &&
      steps.length === shape.length &&
      (count === 4 || (typeof requiresGrad === 'boolean' && isEmptyDict(hooks)))
    if (!isUsual) throw unusual('torch _rebuild_tensor', context)
    if (!isShape(shape) || !steps.every(isCount))
      throw context.fail('E_ARRAY', 'a tensor has a size that none can have')
    return new TorchTensor(storage, offset, shape, steps)
  })
}

function rebuildParameter(): PickleGlobal {
  return new PickleGlobal('torch _rebuild_parameter', (args, context) => {
    const [tensor, requiresGrad, hooks] = args
    const isUsual = args.length === 3 && typeof requiresGrad === 'boolean' && isEmptyDict(hooks)
    if (!isUsual || !(tensor instanceof TorchTensor)) throw unusual('torch _rebuild_parameter', context)
    return tensor
  })
}

function isEmptyDict(value: PickleValue | undefined): boolean {
  return value === null || (value instanceof Map && value.size === 0)
}

function isCount(value: PickleValue | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= 2 ** 40
}
