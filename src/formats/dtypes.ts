/** Element types by their safetensors code, with their size in bytes. C128 and F8 are ours: safetensors has no such. */
export const dtypeBytes = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  U16: 2,
  I16: 2,
  F16: 2,
  BF16: 2,
  U32: 4,
  I32: 4,
  F32: 4,
  U64: 8,
  I64: 8,
  F64: 8,
  C64: 8,
  C128: 16,
} as const

export type Dtype = keyof typeof dtypeBytes

/** Whether a text from outside is an element type. */
export function isDtype(text: string): text is Dtype {
  return Object.hasOwn(dtypeBytes, text)
}

/** The most dimensions a tensor may have. */
export const mostDimensions = 16
const largestDimension = 2 ** 40

/** Whether these are the dimensions of a tensor that could exist. */
export function isShape(shape: readonly unknown[]): shape is number[] {
  if (shape.length > mostDimensions) return false
  return shape.every(
    (size) => typeof size === 'number' && Number.isSafeInteger(size) && size >= 0 && size <= largestDimension,
  )
}

/** Number of elements; above 2^53 it is not exact, and no file has so many. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((count, size) => count * size, 1)
}

/** Size in bytes of a tensor. */
export function tensorBytes(dtype: Dtype, shape: readonly number[]): number {
  return elementCount(shape) * dtypeBytes[dtype]
}
