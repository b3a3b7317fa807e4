import type {ByteSource} from '../formats/byte-source.js'
import {dtypeBytes, elementCount} from '../formats/dtypes.js'
import type {Dtype} from '../formats/dtypes.js'
import {tensorPieces} from '../formats/stored-tensor.js'
import type {StoredTensor} from '../formats/stored-tensor.js'
import {isFloat, toNumbers, wholeItems} from './float-casts.js'

/** What the numbers of a tensor are like; NaN and infinities are counted and left out of the rest. */
export type TensorStatistics = {
  readonly min: number | null
  readonly max: number | null
  readonly mean: number | null
  /** Standard deviation of the numbers themselves, not of a sample. */
  readonly std: number | null
  readonly zeros: number
  readonly nonFinite: number
}

/** Reads every number of a tensor; undefined for complex ones. */
export function tensorStatistics(source: ByteSource, tensor: StoredTensor): TensorStatistics | undefined {
  const {dtype} = tensor
  if (dtype === 'C64' || dtype === 'C128') return undefined
  const sums = {count: 0, sum: 0, squares: 0, min: Infinity, max: -Infinity, zeros: 0}
  for (const numbers of numberPieces(source, tensor)) add(sums, numbers)
  const {count, sum, squares, min, max, zeros} = sums
  const nonFinite = elementCount(tensor.shape) - count
  if (count === 0) return {min: null, max: null, mean: null, std: null, zeros, nonFinite}
  const mean = sum / count
  return {min, max, mean, std: Math.sqrt(Math.max(0, squares / count - mean * mean)), zeros, nonFinite}
}

/** The numbers of a tensor in pieces, as float64 or float32; whole numbers beyond 2^53 are rounded. */
export function* numberPieces(
  source: ByteSource,
  tensor: StoredTensor,
): Generator<ArrayLike<number>, void, undefined> {
  const {dtype} = tensor
  for (const piece of wholeItems(tensorPieces(source, tensor), dtypeBytes[dtype])) {
    yield isFloat(dtype) ? toNumbers(piece, dtype) : wholeNumbers(piece, dtype)
  }
}

type Sums = {count: number; sum: number; squares: number; min: number; max: number; zeros: number}

function add(sums: Sums, numbers: ArrayLike<number>): void {
  let {count, sum, squares, min, max, zeros} = sums
  for (let index = 0; index < numbers.length; index++) {
    const value = numbers[index] ?? 0
    if (value - value !== 0) continue
    count++
    sum += value
    squares += value * value
    if (value < min) min = value
    if (value > max) max = value
    if (value === 0) zeros++
  }
  Object.assign(sums, {count, sum, squares, min, max, zeros})
}

function wholeNumbers(piece: Buffer, dtype: Dtype): ArrayLike<number> {
  const {buffer} = Uint8Array.from(piece)
  switch (dtype) {
    case 'I8':
      return new Int8Array(buffer)
    case 'I16':
      return new Int16Array(buffer)
    case 'U16':
      return new Uint16Array(buffer)
    case 'I32':
      return new Int32Array(buffer)
    case 'U32':
      return new Uint32Array(buffer)
    case 'I64':
      return Float64Array.from(new BigInt64Array(buffer), Number)
    case 'U64':
      return Float64Array.from(new BigUint64Array(buffer), Number)
    default:
      return new Uint8Array(buffer)
  }
}
