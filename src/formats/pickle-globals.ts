import {Payload} from './payload.js'
import {dtype, frombuffer, ndarray, NumpyArray, reconstruct, scalar, unusual} from './pickle-numpy.js'
import {PickleGlobal, PickleTuple, textOf} from './pickle-values.js'
import type {PickleContext, PickleDict, PickleGlobals, PickleValue} from './pickle-values.js'

/** `_codecs.encode(text, 'latin1')`: how Python 3 writes bytes in protocols 0 to 2. */
const encode = new PickleGlobal('_codecs.encode', (args, context) => {
  const [text, codec] = args
  if (args.length !== 2 || textOf(codec, context.source) !== 'latin1')
    throw unusual('_codecs.encode', context)
  const bytes = typeof text === 'string' ? inlineLatin1(text) : fileLatin1(text, context)
  if (bytes === undefined) throw unusual('_codecs.encode', context)
  return bytes
})

/** `bytes()`: how Python 3 writes empty bytes in protocols 0 to 2. */
const bytes = new PickleGlobal('bytes', (args, context) => {
  if (args.length !== 0) throw unusual('bytes', context)
  return Payload.inline('bytes', 0, Buffer.alloc(0))
})

/** `OrderedDict()` or, from Python 2, `OrderedDict([[key, value], …])`. */
const orderedDict = new PickleGlobal('OrderedDict', (args, context) => {
  const [pairs] = args
  const dict: PickleDict = new Map<string, PickleValue>()
  if (args.length === 0) return dict
  if (args.length !== 1 || !Array.isArray(pairs)) throw unusual('OrderedDict', context)
  for (const pair of pairs) addPair(dict, pair, context)
  return dict
})

/** `tuple((name, array))`: how Paddle writes a tensor inside of containers. */
const namedTensor = new PickleGlobal('tuple', (args, context) => {
  const [pair] = args
  if (args.length !== 1 || !(pair instanceof PickleTuple) || pair.items.length !== 2)
    throw unusual('tuple', context)
  const name = textOf(pair.items[0], context.source)
  const array = pair.items[1]
  if (name === undefined || !(array instanceof NumpyArray) || array.content === undefined)
    throw unusual('tuple', context)
  return new NumpyArray(array.content, name)
})

/** `eval('data', {'data': array})`: how Paddle 2 and 3 write a DenseTensor. Exactly this, and it is not evaluated. */
const denseTensorEval = new PickleGlobal('eval', (args, context) => {
  const [code, variables] = args
  const isUsual = args.length === 2 && textOf(code, context.source) === 'data' && variables instanceof Map
  const data = isUsual && variables.size === 1 ? variables.get('data') : undefined
  if (!(data instanceof NumpyArray) || data.content === undefined) throw unusual('eval', context)
  return data
})

/** `_reconstruct_dense_tensor_data(array)`: the same in Paddle since 2026. */
const denseTensor = new PickleGlobal('_reconstruct_dense_tensor_data', (args, context) => {
  const [data] = args
  if (args.length !== 1 || !(data instanceof NumpyArray) || data.content === undefined) {
    throw unusual('_reconstruct_dense_tensor_data', context)
  }
  return data
})

/** What annotation files and LMDB values may name. */
export const plainGlobals: PickleGlobals = new Map([
  ['_codecs encode', encode],
  ['builtins bytes', bytes],
  ['__builtin__ bytes', bytes],
  ['collections OrderedDict', orderedDict],
])

/** What Paddle's parameter files may name. */
export const paddleGlobals: PickleGlobals = new Map([
  ...plainGlobals,
  ['numpy ndarray', ndarray],
  ['numpy dtype', dtype],
  ...['numpy.core', 'numpy._core'].flatMap((core): [string, PickleGlobal][] => [
    [`${core}.multiarray _reconstruct`, reconstruct],
    [`${core}.multiarray scalar`, scalar],
    [`${core}.numeric _frombuffer`, frombuffer],
  ]),
  ['builtins tuple', namedTensor],
  ['__builtin__ tuple', namedTensor],
  ['builtins eval', denseTensorEval],
  ['__builtin__ eval', denseTensorEval],
  ['paddle.framework.io_utils _reconstruct_dense_tensor_data', denseTensor],
])

function inlineLatin1(text: string): Payload | undefined {
  const isLatin1 = /^[\0-\xff]*$/.test(text)
  return isLatin1 ? Payload.inline('bytes', 0, Buffer.from(text, 'latin1')) : undefined
}

function fileLatin1(text: PickleValue | undefined, context: PickleContext): Payload | undefined {
  const isText = text instanceof Payload && text.kind === 'text'
  return isText ? Payload.latin1(context.source, text) : undefined
}

function addPair(dict: PickleDict, pair: PickleValue, context: PickleContext): void {
  const items = pair instanceof PickleTuple ? pair.items : Array.isArray(pair) ? pair : []
  const key = textOf(items[0], context.source)
  const value = items[1]
  if (items.length !== 2 || value === undefined) throw unusual('OrderedDict', context)
  context.setItem(dict, key ?? items[0] ?? null, value)
}
