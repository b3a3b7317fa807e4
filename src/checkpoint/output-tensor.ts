import {CheckpointError, printable} from '../errors.js'
import type {ByteSource} from '../formats/byte-source.js'
import {dtypeBytes} from '../formats/dtypes.js'
import type {Dtype} from '../formats/dtypes.js'
import {rawOffset, tensorPieces} from '../formats/stored-tensor.js'
import type {StoredTensor} from '../formats/stored-tensor.js'
import {castPieces, isFloat} from './float-casts.js'
import type {FloatDtype} from './float-casts.js'
import {transposedPieces} from './transpose.js'

/** A tensor of a file to be written. */
export type OutputTensor = {
  readonly name: string
  readonly path: readonly string[]
  readonly dtype: Dtype
  readonly shape: readonly number[]
  /** Where its bytes lie as they are wanted; undefined where they have to be made from others. */
  readonly raw: {readonly file: string; readonly offset: number} | undefined
  /** Its little-endian C-order bytes. */
  pieces(): Iterable<Buffer>
}

/** The tensor as it is, or with its numbers in another type. */
export function outputTensor(
  source: ByteSource,
  tensor: StoredTensor,
  change: {
    readonly dtype?: Exclude<FloatDtype, 'F64'> | undefined
    readonly name?: string
    readonly shape?: readonly number[]
    readonly isTransposed?: boolean
  } = {},
): OutputTensor {
  const name = change.name ?? tensor.name
  const isCast = change.dtype !== undefined && isFloat(tensor.dtype) && tensor.dtype !== change.dtype
  const offset = isCast || change.isTransposed === true ? undefined : rawOffset(tensor)
  return {
    name,
    path: change.name === undefined ? tensor.path : [change.name],
    dtype: isCast ? (change.dtype ?? tensor.dtype) : tensor.dtype,
    shape: change.shape ?? tensor.shape,
    raw: offset === undefined ? undefined : {file: source.name, offset},
    pieces() {
      const stored = tensorPieces(source, tensor)
      const ordered = change.isTransposed === true ? transposed(stored, tensor) : stored
      const {dtype} = tensor
      if (change.dtype === undefined || !isFloat(dtype) || dtype === change.dtype) return ordered
      return castPieces(ordered, dtype, change.dtype, (count) => {
        throw overflow(name, count, change.dtype)
      })
    },
  }
}

function transposed(pieces: Iterable<Buffer>, {shape, dtype}: StoredTensor): Iterable<Buffer> {
  return transposedPieces(Buffer.concat([...pieces]), shape, dtypeBytes[dtype])
}

function overflow(name: string, count: number, dtype: FloatDtype | undefined): CheckpointError {
  const message = `"${printable(name)}" holds at least ${count} numbers that are too large for ${String(dtype)}.`
  return new CheckpointError(message, {
    code: 'E_RANGE',
    next: 'Convert to bfloat16, which has the range of float32.',
  })
}
