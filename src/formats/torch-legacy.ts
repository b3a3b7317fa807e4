import {broken} from './byte-source.js'
import type {ByteSource} from './byte-source.js'
import {dtypeBytes} from './dtypes.js'
import type {Dtype} from './dtypes.js'
import type {PickleContext, PickleValue} from './pickle-values.js'
import {readPickleAt} from './pickle.js'
import {loadStorage, torchPickle} from './torch-pickle.js'
import type {StoragePlaces, TorchContent} from './torch-pickle.js'

const formVersion = 1001
const countBytes = 8

/**
 * Reads PyTorch's form before 1.6: five pickles (a magic number, a version, the machine, the object, the keys of its
 * storages), then for each key the number of elements and the elements.
 */
export function readTorchLegacy(source: ByteSource): TorchContent {
  const dtypes = new Map<string, Dtype>()
  const persistentLoad = (id: PickleValue, context: PickleContext): PickleValue => {
    const storage = loadStorage(id, context)
    dtypes.set(storage.key, storage.dtype)
    return storage
  }
  let start = 0
  const next = (): PickleValue => {
    const {value, end} = readPickleAt(source, {...torchPickle, persistentLoad, start, allowTrailing: true})
    start = end
    return value
  }
  next()
  if (next() !== formVersion)
    throw broken(source, 'E_FORMAT', 'this version of the old PyTorch form is not known')
  checkMachine(source, next())
  const value = next()
  const keys = next()
  return {value, places: placesOf(source, keys, dtypes, start)}
}

function checkMachine(source: ByteSource, machine: PickleValue): void {
  if (machine instanceof Map && machine.get('little_endian') === true) return
  throw broken(source, 'E_DTYPE', 'the numbers are not little-endian')
}

function placesOf(
  source: ByteSource,
  keys: PickleValue,
  dtypes: ReadonlyMap<string, Dtype>,
  start: number,
): StoragePlaces {
  if (!Array.isArray(keys)) throw broken(source, 'E_FORMAT', 'the list of storages is not a list')
  const places = new Map<string, {offset: number; lengthBytes: number}>()
  let at = start
  for (const key of keys) {
    const dtype = typeof key === 'string' ? dtypes.get(key) : undefined
    if (typeof key !== 'string' || dtype === undefined || places.has(key)) {
      throw broken(source, 'E_FORMAT', 'the list of storages does not fit the tensors')
    }
    if (at + countBytes > source.sizeBytes)
      throw broken(source, 'E_TRUNCATED', 'the file ends before a storage', at)
    const lengthBytes = Number(source.read(at, countBytes).readBigInt64LE(0)) * dtypeBytes[dtype]
    const offset = at + countBytes
    if (lengthBytes < 0 || lengthBytes > source.sizeBytes - offset) {
      throw broken(source, 'E_TRUNCATED', `a storage of ${lengthBytes} bytes does not fit the file`, at)
    }
    places.set(key, {offset, lengthBytes})
    at = offset + lengthBytes
  }
  if (at !== source.sizeBytes)
    throw broken(source, 'E_TRAILING', `${source.sizeBytes - at} bytes follow the end`)
  return places
}
