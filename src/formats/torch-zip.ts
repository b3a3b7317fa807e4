import {broken, MemorySource} from './byte-source.js'
import type {ByteSource} from './byte-source.js'
import {readPickle} from './pickle.js'
import {torchPickle} from './torch-pickle.js'
import type {TorchContent} from './torch-pickle.js'
import {readStoredZip} from './zip.js'
import type {ZipEntry} from './zip.js'

const largestPickleBytes = 64 << 20

/** Reads `<name>/data.pkl` of PyTorch's zip form; storage `k` is the file `<name>/data/k`. */
export function readTorchZip(source: ByteSource): TorchContent {
  const entries = new Map(readStoredZip(source).map((entry) => [entry.name, entry]))
  const pickle = [...entries.values()].find(({name}) => /^[^/]+\/data\.pkl$/.test(name))
  if (pickle === undefined)
    throw broken(source, 'E_FORMAT', 'this zip is no PyTorch file: it has no data.pkl')
  if (pickle.lengthBytes > largestPickleBytes) throw broken(source, 'E_LIMIT', 'data.pkl is too large')
  const folder = pickle.name.slice(0, -'data.pkl'.length)
  checkByteOrder(source, entries.get(`${folder}byteorder`))
  const bytes = source.read(pickle.offset, pickle.lengthBytes)
  const value = readPickle(new MemorySource(`${source.name}, data.pkl`, bytes), torchPickle)
  const prefix = `${folder}data/`
  const places = new Map(
    [...entries.values()]
      .filter(({name}) => name.startsWith(prefix))
      .map(({name, offset, lengthBytes}) => [name.slice(prefix.length), {offset, lengthBytes}]),
  )
  return {value, places}
}

function checkByteOrder(source: ByteSource, entry: ZipEntry | undefined): void {
  if (entry === undefined) return
  const order = source.read(entry.offset, Math.min(entry.lengthBytes, 16)).toString('latin1')
  if (order !== 'little') throw broken(source, 'E_DTYPE', 'the numbers are not little-endian')
}
