/** Float16 numbers as bits, and the place of the first finite number that is too large for them. */
export type Halves = {readonly bits: Uint16Array; readonly overflowAt: number | undefined}

/** Rounds float32 numbers to float16, to the nearest and ties to even, as numpy and Paddle do. */
export function toHalves(floats: Float32Array): Halves {
  const singles = new Uint32Array(floats.buffer, floats.byteOffset, floats.length)
  const bits = new Uint16Array(singles.length)
  let overflowAt: number | undefined
  for (let index = 0; index < singles.length; index++) {
    const single = singles[index] ?? 0
    const size = single & 0x7fffffff
    // Nearly all numbers are normal in both types, and a call for each would cost half of the time.
    if (size >= 0x38800000 && size < 0x477ff000) {
      const rounded = (size + 0xfff + ((size >>> 13) & 1) - 0x38000000) >>> 13
      bits[index] = ((single >>> 16) & 0x8000) | rounded
      continue
    }
    bits[index] = singleToHalf(single)
    if (size >= 0x477ff000 && size < 0x7f800000) overflowAt ??= index
  }
  return {bits, overflowAt}
}

/** The bits of the float16 nearest to a float32 given as bits; infinity for what is too large. */
export function singleToHalf(bits: number): number {
  const sign = (bits >>> 16) & 0x8000
  const size = bits & 0x7fffffff
  if (size > 0x7f800000) return sign | 0x7e00 | ((size >>> 13) & 0x3ff)
  if (size >= 0x477ff000) return sign | 0x7c00
  if (size >= 0x38800000) return sign | ((size + 0xfff + ((size >>> 13) & 1) - 0x38000000) >>> 13)
  return size < 0x33000000 ? sign : sign | subnormalHalf(size)
}

/** The bits of the float32 that a float16 given as bits is. */
export function halfToSingle(bits: number): number {
  const sign = (bits & 0x8000) << 16
  const exponent = (bits >>> 10) & 31
  const fraction = bits & 0x3ff
  if (exponent === 31) return (sign | 0x7f800000 | (fraction << 13)) >>> 0
  if (exponent > 0) return (sign | ((exponent + 112) << 23) | (fraction << 13)) >>> 0
  if (fraction === 0) return sign >>> 0
  const lead = 31 - Math.clz32(fraction)
  return (sign | ((lead + 103) << 23) | ((fraction << (23 - lead)) & 0x7fffff)) >>> 0
}

// Below 2^-14 a float16 counts in units of 2^-24.
function subnormalHalf(size: number): number {
  const shift = 126 - (size >>> 23)
  const mantissa = (size & 0x7fffff) | 0x800000
  const units = mantissa >>> shift
  const rest = mantissa & ((1 << shift) - 1)
  const half = 1 << (shift - 1)
  return rest > half || (rest === half && (units & 1) === 1) ? units + 1 : units
}
