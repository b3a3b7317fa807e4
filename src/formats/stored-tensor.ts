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
  /** C: the last index runs fastest. F: the first does. */
  readonly order: 'C' | 'F'
  /** Its bytes, one piece behind the other. */
  readonly pieces: readonly Payload[]
}

const largestReorderedBytes = 2 ** 30

/** Where the little-endian C-order bytes lie in the file as they are; undefined when they must be decoded. */
export function rawOffset(tensor: StoredTensor): number | undefined {
  const [piece] = tensor.pieces
  if (piece === undefined || tensor.pieces.length !== 1 || isReordered(tensor)) return undefined
  return piece.encoding === 'raw' ? piece.offset : undefined
}

/** The little-endian C-order bytes of a tensor, in pieces. */
export function* tensorPieces(source: ByteSource, tensor: StoredTensor): Generator<Buffer, void, undefined> {
  if (isReordered(tensor)) yield toCOrder(source, tensor)
  else for (const piece of tensor.pieces) yield* piece.pieces(source)
}

function isReordered(tensor: StoredTensor): boolean {
  return tensor.order === 'F' && tensor.shape.filter((size) => size !== 1).length > 1
}

// The whole array is needed to change its order; no model has such arrays, so a bound does no harm.
function toCOrder(source: ByteSource, tensor: StoredTensor): Buffer {
  const {shape} = tensor
  const itemBytes = dtypeBytes[tensor.dtype]
  const count = elementCount(shape)
  if (count * itemBytes > largestReorderedBytes) {
    throw broken(source, 'E_LIMIT', `"${tensor.name}" is Fortran-ordered and larger than 1 GiB`)
  }
  const stored = Buffer.concat(tensor.pieces.map((piece) => piece.read(source)))
  const ordered = Buffer.allocUnsafe(count * itemBytes)
  const index = shape.map(() => 0)
  const strides = shape.map((_, axis) => elementCount(shape.slice(0, axis)))
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
