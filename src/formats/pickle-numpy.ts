import {printable} from '../errors.js'
import {dtypeBytes, elementCount, isShape, mostDimensions} from './dtypes.js'
import type {Dtype} from './dtypes.js'
import type {Payload} from './payload.js'
import {bytesOf, kindOf, PickleGlobal, PickleObject, PickleTuple, textOf} from './pickle-values.js'
import type {PickleContext, PickleValue} from './pickle-values.js'

// Paddle stores bfloat16 as numpy's uint16.
const dtypeOfNumpy: Readonly<Record<string, Dtype>> = {
  b1: 'BOOL',
  i1: 'I8',
  u1: 'U8',
  i2: 'I16',
  u2: 'BF16',
  f2: 'F16',
  i4: 'I32',
  u4: 'U32',
  f4: 'F32',
  i8: 'I64',
  u8: 'U64',
  f8: 'F64',
  c8: 'C64',
  c16: 'C128',
}

/** numpy's dtype: complete once the file has stated the byte order. */
export class NumpyDtype extends PickleObject {
  readonly kind = 'a numpy dtype'
  readonly dtype: Dtype
  #hasState = false

  constructor(dtype: Dtype) {
    super()
    this.dtype = dtype
  }

  get isComplete(): boolean {
    return this.#hasState
  }

  /** Takes only the state of a plain little-endian number: (3, order, None, None, None, -1, -1, 0). */
  override build(state: PickleValue, context: PickleContext): void {
    const wrong = (what: string): Error => context.fail('E_DTYPE', `a numpy dtype ${what}`)
    if (this.#hasState) throw wrong('gets its state twice')
    if (!(state instanceof PickleTuple) || state.items.length !== 8) throw wrong('has an unusual state')
    const [version, order, ...rest] = state.items
    const usual = [null, null, null, -1, -1, 0]
    const byteOrder = textOf(order, context.source)
    if (byteOrder === '>') throw wrong('is big-endian, which is not supported')
    if (version !== 3 || !usual.every((value, index) => rest[index] === value))
      throw wrong('has an unusual state')
    if (byteOrder !== (dtypeBytes[this.dtype] === 1 ? '|' : '<'))
      throw wrong('has a byte order that does not fit it')
    this.#hasState = true
  }
}

/** numpy's array: shape and element type, its numbers still in the file. */
export class NumpyArray extends PickleObject {
  readonly kind = 'an array'
  override readonly isData = true
  /** The name that Paddle keeps with a tensor, where it does. */
  readonly tensorName: string | undefined
  #content: ArrayContent | undefined

  constructor(content?: ArrayContent, tensorName?: string) {
    super()
    this.#content = content
    this.tensorName = tensorName
  }

  /** Undefined while the file has not stated it. */
  get content(): ArrayContent | undefined {
    return this.#content
  }

  /** Takes (1, shape, dtype, is Fortran-ordered, data). */
  override build(state: PickleValue, context: PickleContext): void {
    if (this.#content !== undefined) throw context.fail('E_BUILD', 'an array gets its numbers twice')
    const items = state instanceof PickleTuple ? state.items : []
    const [version, shape, dtype, isFortran, data] = items
    const isFlag = typeof isFortran === 'boolean' || isFortran === 0 || isFortran === 1
    if (items.length !== 5 || version !== 1 || !isFlag)
      throw context.fail('E_ARRAY', 'an array has an unusual state')
    this.#content = arrayContent({shape, dtype, data}, isFortran ? 'F' : 'C', context)
  }
}

export type ArrayContent = {
  readonly dtype: Dtype
  readonly shape: readonly number[]
  /** C: the last index runs fastest. F: the first does. */
  readonly order: 'C' | 'F'
  readonly data: Payload
}

// Everything that sizes are made from is checked against the bytes that are really there.
function arrayContent(
  parts: {shape: PickleValue | undefined; dtype: PickleValue | undefined; data: PickleValue | undefined},
  order: 'C' | 'F',
  context: PickleContext,
): ArrayContent {
  const {dtype} = parts
  if (!(dtype instanceof NumpyDtype) || !dtype.isComplete)
    throw context.fail('E_DTYPE', 'an array has no element type')
  const shape = parts.shape instanceof PickleTuple ? parts.shape.items : undefined
  if (shape === undefined) throw context.fail('E_ARRAY', `the shape of an array is ${kindOf(parts.shape)}`)
  if (shape.length > mostDimensions) throw context.fail('E_LIMIT', `an array has ${shape.length} dimensions`)
  if (!isShape(shape))
    throw context.fail('E_ARRAY', 'the shape of an array has a size that no array can have')
  const data = bytesOf(parts.data)
  if (data === undefined) throw context.fail('E_ARRAY', `the numbers of an array are ${kindOf(parts.data)}`)
  const wanted = elementCount(shape) * dtypeBytes[dtype.dtype]
  if (wanted !== data.lengthBytes) {
    const what = `an array of shape [${shape.join(', ')}] and type ${dtype.dtype} takes ${wanted} bytes`
    throw context.fail('E_ARRAY', `${what}, the file has ${data.lengthBytes}`)
  }
  return {dtype: dtype.dtype, shape, order, data}
}

/** `numpy.core.multiarray._reconstruct(numpy.ndarray, (0,), b'b')`: an empty array, to be filled by BUILD. */
export const reconstruct = new PickleGlobal('numpy _reconstruct', (args, context) => {
  const [type, shape, code] = args
  const letter = bytesOf(code)
  const isUsual =
    args.length === 3 &&
    type === ndarray &&
    shape instanceof PickleTuple &&
    shape.items.length === 1 &&
    shape.items[0] === 0 &&
    letter?.lengthBytes === 1 &&
    letter.read(context.source)[0] === 0x62
  if (!isUsual) throw unusual('numpy _reconstruct', context)
  return new NumpyArray()
})

/** The class itself, which only appears as an argument. */
export const ndarray = new PickleGlobal('numpy.ndarray', (_, context) => {
  throw unusual('numpy.ndarray', context)
})

/** `numpy.dtype('f4', False, True)`. */
export const dtype = new PickleGlobal('numpy.dtype', (args, context) => {
  const [code, align, copy] = args
  const name = textOf(code, context.source)
  const isUsual =
    args.length === 3 &&
    name !== undefined &&
    (align === false || align === 0) &&
    (copy === true || copy === 1)
  if (!isUsual) throw context.fail('E_DTYPE', 'numpy.dtype is called with unusual arguments')
  const known = Object.hasOwn(dtypeOfNumpy, name) ? dtypeOfNumpy[name] : undefined
  if (known === undefined)
    throw context.fail('E_DTYPE', `numpy type "${printable(name)}" is not a plain number`)
  return new NumpyDtype(known)
})

/** `numpy.core.numeric._frombuffer(bytes, dtype, shape, order)` of protocol 5. */
export const frombuffer = new PickleGlobal('numpy _frombuffer', (args, context) => {
  const [data, type, shape, order] = args
  const letter = textOf(order, context.source)
  if (args.length !== 4 || (letter !== 'C' && letter !== 'F')) throw unusual('numpy _frombuffer', context)
  return new NumpyArray(arrayContent({shape, dtype: type, data}, letter, context))
})

/** `numpy.core.multiarray.scalar(dtype, bytes)`: becomes a plain number. */
export const scalar = new PickleGlobal('numpy scalar', (args, context) => {
  const [type, data] = args
  const payload = bytesOf(data)
  if (args.length !== 2 || !(type instanceof NumpyDtype) || !type.isComplete)
    throw unusual('numpy scalar', context)
  if (payload?.lengthBytes !== dtypeBytes[type.dtype])
    throw context.fail('E_ARRAY', 'a numpy scalar has a wrong length')
  return scalarValue(type.dtype, payload.read(context.source), context)
})

function scalarValue(type: Dtype, bytes: Buffer, context: PickleContext): PickleValue {
  const plain = (value: bigint): PickleValue => (Number.isSafeInteger(Number(value)) ? Number(value) : value)
  switch (type) {
    case 'BOOL':
      return bytes[0] !== 0
    case 'I8':
      return bytes.readInt8()
    case 'U8':
      return bytes.readUInt8()
    case 'I16':
      return bytes.readInt16LE()
    case 'U16':
    case 'BF16':
      return bytes.readUInt16LE()
    case 'I32':
      return bytes.readInt32LE()
    case 'U32':
      return bytes.readUInt32LE()
    case 'F32':
      return bytes.readFloatLE()
    case 'F64':
      return bytes.readDoubleLE()
    case 'I64':
      return plain(bytes.readBigInt64LE())
    case 'U64':
      return plain(bytes.readBigUInt64LE())
    case 'F16':
      return halfToNumber(bytes.readUInt16LE())
    case 'C64':
    case 'C128':
      throw context.fail('E_DTYPE', 'a complex number as a scalar is not supported')
  }
}

function halfToNumber(bits: number): number {
  const sign = bits >> 15 === 0 ? 1 : -1
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

/** The error for a recognised import that is called in a way no real file does. */
export function unusual(name: string, context: PickleContext): Error {
  return context.fail('E_REDUCE', `${name} is called with arguments that no real file has`)
}
