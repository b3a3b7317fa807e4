import {printable} from '../errors.js'
import {broken} from './byte-source.js'
import type {ByteSource} from './byte-source.js'
import {dtypeBytes, elementCount} from './dtypes.js'
import type {Dtype} from './dtypes.js'
import type {Payload} from './payload.js'

/** A tensor as it lies in a file. */
export type StoredTensor = {
  readonly name: string
  /** The keys that lead to it; `name` is these joined by `/`. */
  readonly path: readonly string[]
  readonly dtype: Dtype
  readonly shape: readonly number[]
  /** Steps between neighbours along each axis, in numbers; undefined in C order, where the last index runs fastest. */
  readonly strides?: readonly number[] | undefined
  /** The bytes that hold it, one piece behind the other. */
  readonly pieces: readonly Payload[]
}

const largestReorderedBytes = 2 ** 30

/** Where the little-endian C-order bytes lie in the file as they are; undefined when they must be decoded. */
export function rawOffset(tensor: StoredTensor): number | undefined {
  const [piece] = tensor.pieces
  if (piece === undefined || tensor.pieces.length !== 1 || tensor.strides !== undefined) return undefined
  return piece.encoding === 'raw' ? piece.offset : undefined
}

/** The little-endian C-order bytes of a tensor, in pieces. */
export function* tensorPieces(source: ByteSource, tensor: StoredTensor): Generator<Buffer, void, undefined> {
  if (tensor.strides !== undefined) yield toCOrder(source, tensor, tensor.strides)
  else for (const piece of tensor.pieces) yield* piece.pieces(source)
}

/** The strides of a shape whose first index runs fastest. */
export function fortranStrides(shape: readonly number[]): readonly number[] {
  return shape.map((_, axis) => elementCount(shape.slice(0, axis)))
}

/** Strides as `StoredTensor` has them: undefined when they say nothing but C order. */
export function unlessContiguous(
  shape: readonly number[],
  strides: readonly number[],
): readonly number[] | undefined {
  if (shape.includes(0)) return undefined
  const isPlain = shape.every(
    (size, axis) => size === 1 || strides[axis] === elementCount(shape.slice(axis + 1)),
  )
  return isPlain ? undefined : strides
}

// The whole tensor is needed to change its order; a bound on that does no harm, because layers are smaller.
function toCOrder(source: ByteSource, tensor: StoredTensor, strides: readonly number[]): Buffer {
  const {shape} = tensor
  const itemBytes = dtypeBytes[tensor.dtype]
  const count = elementCount(shape)
  if (count * itemBytes > largestReorderedBytes) {
    throw broken(source, 'E_LIMIT', `"${printable(tensor.name)}" is larger than 1 GiB and not in C order`)
  }
  const stored = Buffer.concat(tensor.pieces.map((piece) => piece.read(source)))
  const ordered = Buffer.allocUnsafe(count * itemBytes)
  const index = shape.map(() => 0)
  for (let at = 0; at < count; at++) {
    const from = index.reduce((sum, position, axis) => sum + position * (strides[axis] ?? 0), 0)
    stored.copy(ordered, at * itemBytes, from * itemBytes, (from + 1) * itemBytes)
    advance(index, shape)
  }
  return ordered
}

function advance(index: number[], shape: readonly number[]): void {
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const next = (index[axis] ?? 0) + 1
    index[axis] = next === shape[axis] ? 0 : next
    if (next !== shape[axis]) return
  }
}
