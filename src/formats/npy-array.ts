import {broken} from './byte-source.js'
import type {ByteSource} from './byte-source.js'

/** A plain array of floats as numpy stores it. */
export type NpyArray = {
  readonly shape: readonly number[]
  readonly numbers: Float32Array
}

const magic = Buffer.from('\x93NUMPY', 'latin1')
const largestHeaderBytes = 1 << 20
const mostNumbers = 1 << 28

/**
 * Reads an array of float32 or float64 (rounded to float32) of a `.npy` file that lies at `[start, start + lengthBytes)`.
 * @throws FormatError E_NPY
 */
export function readNpyArray(source: ByteSource, start = 0, lengthBytes = source.sizeBytes): NpyArray {
  const fail = (what: string): Error => broken(source, 'E_NPY', what, start)
  if (lengthBytes < 12 || !source.read(start, 6).equals(magic)) throw fail('this is not a numpy array')
  const fields = source.read(start + 6, 6)
  const version = fields[0]
  const headBytes = version === 1 ? 10 : 12
  const headerBytes = version === 1 ? fields.readUInt16LE(2) : fields.readUInt32LE(2)
  if (headerBytes > Math.min(largestHeaderBytes, lengthBytes - headBytes)) throw fail('its header is damaged')
  const header = source.read(start + headBytes, headerBytes).toString('latin1')
  const dtype = /'descr': *'([^']+)'/.exec(header)?.[1]
  const shapeText = /'shape': *\(([0-9, ]*)\)/.exec(header)?.[1]
  if (dtype !== '<f4' && dtype !== '<f8')
    throw fail(`its numbers are ${dtype ?? 'of no stated kind'}, not float32 or float64`)
  if (shapeText === undefined || !/'fortran_order': *False/.test(header))
    throw fail('it is not stored row by row')
  const shape = shapeText.split(',').flatMap((side) => (side.trim() === '' ? [] : [Number(side)]))
  const count = shape.reduce((product, side) => product * side, 1)
  const itemBytes = dtype === '<f4' ? 4 : 8
  const wantedBytes = headBytes + headerBytes + count * itemBytes
  if (count > mostNumbers || wantedBytes !== lengthBytes)
    throw fail(`${lengthBytes} bytes are not an array of shape [${shape.join(', ')}]`)
  return {shape, numbers: floats(source.read(start + headBytes + headerBytes, count * itemBytes), itemBytes)}
}

/** Whether the array of a `.npy` file is of Python objects, such as a dict: those are read by `readNpyDict`. */
export function holdsObjects(source: ByteSource): boolean {
  const head = source.read(0, Math.min(128, source.sizeBytes)).toString('latin1')
  return head.slice(1, 6) === 'NUMPY' && /'descr': *'\|?O'/.test(head)
}

function floats(bytes: Buffer, itemBytes: 4 | 8): Float32Array {
  const own = Uint8Array.from(bytes).buffer
  return itemBytes === 4 ? new Float32Array(own) : Float32Array.from(new Float64Array(own))
}
