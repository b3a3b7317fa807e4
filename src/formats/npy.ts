import {ByteReader} from './byte-reader.js'
import {broken} from './byte-source.js'
import type {ByteSource} from './byte-source.js'
import {paddleGlobals, plainGlobals} from './pickle-globals.js'
import {dtype, ndarray, NumpyArray, reconstruct} from './pickle-numpy.js'
import type {ArrayContent} from './pickle-numpy.js'
import {kindOf, PickleGlobal, PickleObject, PickleTuple, textOf} from './pickle-values.js'
import type {PickleContext, PickleGlobals, PickleValue} from './pickle-values.js'
import {readPickle} from './pickle.js'

/** A field of the dict: plain data, or an array whose numbers are still in the file. */
export type NpyField = PickleValue | ArrayContent

const longestHeaderBytes = 10_000
const magic = Buffer.from('\x93NUMPY', 'latin1')

/**
 * Reads a `.npy` that holds one dict, as `numpy.save(file, {…})` writes it and the extractor of 12-in-1 does. Inside is
 * a pickle, which is read without importing or calling anything.
 * @throws FormatError E_NPY where it is no such file, else as the pickle reader
 */
export function readNpyDict(source: ByteSource): ReadonlyMap<string, NpyField> {
  const start = checkHeader(source)
  const array = readPickle(source, {globals: npyGlobals, start})
  const value = array instanceof AnyArray ? array.object : undefined
  if (value instanceof Map) {
    return new Map([...value].map(([key, field]) => [key, field instanceof AnyArray ? field.content : field]))
  }
  const shown = array instanceof AnyArray ? kindOf(value) : kindOf(array)
  throw broken(source, 'E_NPY', `it holds ${shown} in place of a dict`)
}

// A header is a Python literal; it is compared with what numpy writes for one object, not understood.
function checkHeader(source: ByteSource): number {
  const reader = new ByteReader(source)
  const short = source.sizeBytes < 12
  if (short || !source.read(0, magic.length).equals(magic))
    throw broken(source, 'E_NPY', 'this is no .npy file')
  const [major = 0] = source.read(magic.length, 1)
  if (major < 1 || major > 3) throw broken(source, 'E_NPY', `the .npy version ${major} is not known`)
  reader.skip(8)
  const lengthBytes = major === 1 ? source.read(8, 2).readUInt16LE() : reader.u32()
  const start = (major === 1 ? 10 : 12) + lengthBytes
  if (lengthBytes > longestHeaderBytes || start > source.sizeBytes)
    throw broken(source, 'E_NPY', 'the .npy header reaches beyond the file')
  const header = source.read(start - lengthBytes, lengthBytes).toString('latin1')
  if (/^\{'descr': '\|O', 'fortran_order': (?:False|True), 'shape': \(\), ?\}\s*$/.test(header)) return start
  const isNumbers = /^\{'descr': '[<>|=][a-zA-Z][0-9]+'/.test(header)
  const what = isNumbers
    ? 'it holds an array of numbers in place of a dict'
    : 'its header is not that of a dict'
  throw broken(source, 'E_NPY', what)
}

/** numpy's dtype of Python objects. */
class ObjectDtype extends PickleObject {
  readonly kind = 'a numpy dtype of objects'
  #hasState = false

  get isComplete(): boolean {
    return this.#hasState
  }

  override build(state: PickleValue, context: PickleContext): void {
    const usual = [3, undefined, null, null, null, -1, -1, 63]
    const items = state instanceof PickleTuple ? state.items : []
    const isUsual =
      !this.#hasState &&
      items.length === usual.length &&
      textOf(items[1], context.source) === '|' &&
      items.every((item, index) => index === 1 || item === usual[index])
    if (!isUsual) throw context.fail('E_DTYPE', 'a numpy dtype of objects has an unusual state')
    this.#hasState = true
  }
}

/** An array of numbers, or one of a single object. */
class AnyArray extends PickleObject {
  readonly kind = 'an array'
  override readonly isData = true
  readonly #numbers = new NumpyArray()
  #object: PickleValue | undefined

  get object(): PickleValue | undefined {
    return this.#object
  }

  get content(): NpyField {
    return this.#numbers.content ?? null
  }

  override build(state: PickleValue, context: PickleContext): void {
    const items = state instanceof PickleTuple ? state.items : []
    const [version, shape, type, , data] = items
    if (!(type instanceof ObjectDtype)) {
      this.#numbers.build(state, context)
      return
    }
    const isSingle = shape instanceof PickleTuple && shape.items.length === 0
    const list: PickleValue[] = Array.isArray(data) ? data : []
    const isUsual = items.length === 5 && version === 1 && type.isComplete && isSingle && list.length === 1
    if (!isUsual || this.#object !== undefined)
      throw context.fail('E_ARRAY', 'an array of objects is not of a single one')
    this.#object = list[0]
  }
}

const anyReconstruct = new PickleGlobal(reconstruct.name, (args, context) => {
  reconstruct.reconstruct(args, context)
  return new AnyArray()
})

const anyDtype = new PickleGlobal(dtype.name, (args, context) => {
  const code = textOf(args[0], context.source)
  if (code !== 'O8' && code !== 'O4' && code !== 'O') return dtype.reconstruct(args, context)
  dtype.reconstruct(['f4', ...args.slice(1)], context)
  return new ObjectDtype()
})

const npyGlobals: PickleGlobals = new Map([
  ...plainGlobals,
  ['numpy ndarray', ndarray],
  ['numpy dtype', anyDtype],
  ...['numpy.core', 'numpy._core'].flatMap((core): [string, PickleGlobal][] => {
    const scalar = paddleGlobals.get(`${core}.multiarray scalar`)
    return [
      [`${core}.multiarray _reconstruct`, anyReconstruct],
      ...(scalar === undefined
        ? []
        : [[`${core}.multiarray scalar`, scalar] satisfies [string, PickleGlobal]]),
    ]
  }),
])
