import type {ByteSource} from './byte-source.js'
import {dtypeBytes} from './dtypes.js'
import type {Dtype} from './dtypes.js'
import {tensorPieces} from './stored-tensor.js'
import type {StoredTensor} from './stored-tensor.js'

/** How a float says that it is NaN or infinite: all bits of its exponent are set. */
type FloatForm = {readonly bytes: 2 | 4 | 8; readonly exponent: number}

const floatForms: Readonly<Partial<Record<Dtype, FloatForm>>> = {
  F16: {bytes: 2, exponent: 0x7c00},
  BF16: {bytes: 2, exponent: 0x7f80},
  F32: {bytes: 4, exponent: 0x7f80},
  C64: {bytes: 4, exponent: 0x7f80},
  F64: {bytes: 8, exponent: 0x7ff0},
  C128: {bytes: 8, exponent: 0x7ff0},
}

/** How many numbers of a tensor are NaN or infinite; the parts of a complex number count each. */
export function nonFiniteCount(source: ByteSource, tensor: StoredTensor): number {
  const form = floatForms[tensor.dtype]
  if (form === undefined) return 0
  const step = form.bytes / 2
  let count = 0
  for (const halves of halfWords(tensorPieces(source, tensor), dtypeBytes[tensor.dtype])) {
    // The exponent lies in the last two bytes of a little-endian float, whatever its size.
    for (let at = step - 1; at < halves.length; at += step) {
      count += Number(((halves[at] ?? 0) & form.exponent) === form.exponent)
    }
  }
  return count
}

/** Numbers as 16-bit words in pieces that hold whole items of `itemBytes`, aligned as typed arrays need it. */
function* halfWords(pieces: Iterable<Buffer>, itemBytes: number): Generator<Uint16Array, void, undefined> {
  let rest: Buffer = Buffer.alloc(0)
  for (const piece of pieces) {
    const joined = rest.length === 0 ? piece : Buffer.concat([rest, piece])
    const whole = joined.length - (joined.length % itemBytes)
    yield asHalfWords(joined.subarray(0, whole))
    rest = Buffer.from(joined.subarray(whole))
  }
}

function asHalfWords(bytes: Buffer): Uint16Array {
  if (bytes.byteOffset % 2 === 0) return new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2)
  return new Uint16Array(Uint8Array.from(bytes).buffer)
}
