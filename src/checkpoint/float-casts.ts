import {dtypeBytes} from '../formats/dtypes.js'
import type {Dtype} from '../formats/dtypes.js'
import {halfToSingle, singleToHalf} from '../formats/half-floats.js'

/** The types between which weights can be converted. */
export type FloatDtype = 'F64' | 'F32' | 'F16' | 'BF16'

/** Whether a type can be converted; whole numbers and truth values stay what they are. */
export function isFloat(dtype: Dtype): dtype is FloatDtype {
  return dtype === 'F64' || dtype === 'F32' || dtype === 'F16' || dtype === 'BF16'
}

/**
 * Converts little-endian floats piece by piece, rounding to the nearest and ties to even, as numpy and Paddle do.
 * `onOverflow` hears how many finite numbers became infinite.
 */
export function* castPieces(
  pieces: Iterable<Buffer>,
  from: FloatDtype,
  to: Exclude<FloatDtype, 'F64'>,
  onOverflow: (count: number) => void,
): Generator<Buffer, void, undefined> {
  for (const piece of wholeItems(pieces, dtypeBytes[from])) {
    const single = toSingle(piece, from, to !== 'F32')
    if (single.overflows > 0) onOverflow(single.overflows)
    yield fromSingle(single.bits, to, onOverflow)
  }
}

/** Floats of any type as numbers; exact, because float64 holds all of them. */
export function toNumbers(piece: Buffer, dtype: FloatDtype): Float64Array | Float32Array {
  if (dtype === 'F64') return new Float64Array(arrayBufferOf(piece))
  const {bits} = toSingle(piece, dtype, false)
  return new Float32Array(bits.buffer, bits.byteOffset, bits.length)
}

/** The same bytes in pieces that hold whole items. */
export function* wholeItems(pieces: Iterable<Buffer>, itemBytes: number): Generator<Buffer, void, undefined> {
  let rest: Buffer = Buffer.alloc(0)
  for (const piece of pieces) {
    const joined = rest.length === 0 ? piece : Buffer.concat([rest, piece])
    const whole = joined.length - (joined.length % itemBytes)
    if (whole > 0) yield joined.subarray(0, whole)
    rest = Buffer.from(joined.subarray(whole))
  }
}

/** A copy where the bytes do not lie as typed arrays need it, which is rare. */
function arrayBufferOf(piece: Buffer): ArrayBuffer {
  return Uint8Array.from(piece).buffer
}

/** The bits of float32 numbers, and how many finite ones did not fit. */
type Single = {readonly bits: Uint32Array; readonly overflows: number}

// Rounding twice can go wrong, so a float64 on its way to 16 bits is rounded to odd here, which keeps what matters.
function toSingle(piece: Buffer, from: FloatDtype, roundToOdd: boolean): Single {
  const bytes = piece.byteOffset % 8 === 0 ? piece : Buffer.from(arrayBufferOf(piece))
  const {buffer, byteOffset, length} = bytes
  switch (from) {
    case 'F32':
      return {bits: new Uint32Array(buffer, byteOffset, length / 4), overflows: 0}
    case 'BF16':
      return {
        bits: Uint32Array.from(new Uint16Array(buffer, byteOffset, length / 2), (bits) => bits << 16),
        overflows: 0,
      }
    case 'F16':
      return {
        bits: Uint32Array.from(new Uint16Array(buffer, byteOffset, length / 2), halfToSingle),
        overflows: 0,
      }
    case 'F64':
      return doublesToSingle(new Float64Array(buffer, byteOffset, length / 8), roundToOdd)
  }
}

function doublesToSingle(doubles: Float64Array, roundToOdd: boolean): Single {
  const rounded = Float32Array.from(doubles)
  const bits = new Uint32Array(rounded.buffer)
  let overflows = 0
  for (const [index, double] of doubles.entries()) {
    const single = rounded[index] ?? 0
    if (Number.isFinite(double) && !Number.isFinite(single)) overflows++
    if (!roundToOdd || single === double || Number.isNaN(double) || !Number.isFinite(single)) continue
    const pattern = bits[index] ?? 0
    bits[index] = (Math.abs(single) > Math.abs(double) ? pattern - 1 : pattern) | 1
  }
  return {bits, overflows}
}

function fromSingle(
  bits: Uint32Array,
  to: Exclude<FloatDtype, 'F64'>,
  onOverflow: (count: number) => void,
): Buffer {
  if (to === 'F32') return Buffer.from(bits.buffer, bits.byteOffset, bits.byteLength)
  const narrow = new Uint16Array(bits.length)
  const infinity = to === 'F16' ? 0x7c00 : 0x7f80
  let overflows = 0
  for (let index = 0; index < bits.length; index++) {
    const wide = bits[index] ?? 0
    const short = to === 'F16' ? singleToHalf(wide) : singleToBrain(wide)
    narrow[index] = short
    overflows += Number((short & 0x7fff) === infinity && (wide & 0x7fffffff) !== 0x7f800000)
  }
  if (overflows > 0) onOverflow(overflows)
  return Buffer.from(narrow.buffer)
}

function singleToBrain(bits: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16
}
