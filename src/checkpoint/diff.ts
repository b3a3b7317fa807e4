import {breathe} from '../breathe.js'
import {elementCount} from '../formats/dtypes.js'
import type {StoredTensor} from '../formats/stored-tensor.js'
import {openCheckpoint} from './checkpoint-file.js'
import type {CheckpointFile} from './checkpoint-file.js'
import {isSameShape} from './model-spec.js'
import {numberPieces} from './statistics.js'

/** The two checkpoints of {@link diffCheckpoints}. */
export type DiffOptions = {
  readonly a: string
  readonly b: string
  /** Numbers that are no further apart count as equal. @default 0 */
  readonly tolerance?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** Told how many tensors are compared, of those that both files have. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined
}

/** A tensor that both files have and that is not the same in both. */
export type TensorDifference = {
  readonly name: string
  readonly a: {readonly dtype: string; readonly shape: readonly number[]}
  readonly b: {readonly dtype: string; readonly shape: readonly number[]}
  /** Null where the shapes differ or the numbers are complex; infinite where a NaN or infinity is in one of them only. */
  readonly maxAbsDifference: number | null
  /** Numbers that are further apart than the tolerance. */
  readonly differing: number | null
}

/** How two checkpoints differ; of their tensors only those that do. */
export type CheckpointDiff = {
  /** Same names, types and shapes, and no number further apart than the tolerance. */
  readonly equal: boolean
  readonly onlyInA: readonly string[]
  readonly onlyInB: readonly string[]
  readonly tensors: readonly TensorDifference[]
  /** Of all tensors that can be compared. */
  readonly maxAbsDifference: number
  /** Tensors in both files. */
  readonly compared: number
}

/**
 * Compares two checkpoints of any form, tensor by tensor.
 * @throws FormatError, CheckpointError
 */
export async function diffCheckpoints(options: DiffOptions): Promise<CheckpointDiff> {
  const {tolerance = 0, signal, onProgress} = options
  using a = openCheckpoint(options.a)
  using b = openCheckpoint(options.b)
  const inB = new Map(b.tensors.map((tensor) => [tensor.name, tensor]))
  const inA = new Set(a.tensors.map(({name}) => name))
  const pairs = a.tensors.flatMap((tensor) => {
    const other = inB.get(tensor.name)
    return other === undefined ? [] : [[tensor, other] as const]
  })
  const differences: TensorDifference[] = []
  let largest = 0
  for (const [index, [first, second]] of pairs.entries()) {
    const difference = compare(a, first, b, second, tolerance)
    largest = Math.max(largest, difference.maxAbsDifference ?? 0)
    if (!isNothing(difference, first, second)) differences.push(difference)
    onProgress?.(index + 1, pairs.length)
    await breathe(signal)
  }
  const onlyInA = a.tensors.filter(({name}) => !inB.has(name)).map(({name}) => name)
  const onlyInB = b.tensors.filter(({name}) => !inA.has(name)).map(({name}) => name)
  return {
    equal: differences.length === 0 && onlyInA.length === 0 && onlyInB.length === 0,
    onlyInA,
    onlyInB,
    tensors: differences,
    maxAbsDifference: largest,
    compared: pairs.length,
  }
}

function isNothing({differing}: TensorDifference, a: StoredTensor, b: StoredTensor): boolean {
  return differing === 0 && a.dtype === b.dtype && isSameShape(a.shape, b.shape)
}

function compare(
  a: CheckpointFile,
  first: StoredTensor,
  b: CheckpointFile,
  second: StoredTensor,
  tolerance: number,
): TensorDifference {
  const head = {
    name: first.name,
    a: {dtype: first.dtype, shape: first.shape},
    b: {dtype: second.dtype, shape: second.shape},
  }
  const [partsA, partsB] = [asParts(first), asParts(second)]
  if (partsA === undefined || partsB === undefined || !isSameShape(first.shape, second.shape))
    return {...head, maxAbsDifference: null, differing: null}
  let maxAbsDifference = 0
  let differing = 0
  const numbersOfB = flatten(numberPieces(b.source, partsB))
  for (const numbers of numberPieces(a.source, partsA)) {
    for (let index = 0; index < numbers.length; index++) {
      const distance = distanceOf(numbers[index] ?? 0, numbersOfB())
      if (distance > maxAbsDifference) maxAbsDifference = distance
      if (distance > tolerance) differing++
    }
  }
  return {...head, maxAbsDifference, differing}
}

// A complex number is compared as its two parts.
function asParts(tensor: StoredTensor): StoredTensor | undefined {
  if (tensor.dtype === 'C64')
    return {...tensor, dtype: 'F32', shape: [elementCount(tensor.shape) * 2], strides: undefined}
  if (tensor.dtype === 'C128')
    return {...tensor, dtype: 'F64', shape: [elementCount(tensor.shape) * 2], strides: undefined}
  return tensor
}

function distanceOf(a: number, b: number): number {
  if (a === b || (Number.isNaN(a) && Number.isNaN(b))) return 0
  const distance = Math.abs(a - b)
  return Number.isNaN(distance) ? Infinity : distance
}

/** One number after the other out of pieces whose borders are elsewhere than those of the other file. */
function flatten(pieces: Iterator<ArrayLike<number>>): () => number {
  let piece: ArrayLike<number> = []
  let at = 0
  return () => {
    while (at >= piece.length) {
      const next = pieces.next()
      if (next.done === true) return NaN
      piece = next.value
      at = 0
    }
    return piece[at++] ?? 0
  }
}
