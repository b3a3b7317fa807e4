import test from 'ava'
import {z} from 'zod'
import {BridgeMessageError, PythonError} from '../../src/bridge/errors.js'
import {anything, openBridge} from '../helpers/python.js'

const withRepr = {reply: z.object({value: z.unknown(), repr: z.string()})}

const REQUESTS: readonly (readonly [value: unknown, repr: string])[] = [
  [null, 'None'],
  [true, 'True'],
  [0, '0'],
  [-1.5, '-1.5'],
  [Number.MAX_SAFE_INTEGER, '9007199254740991'],
  [NaN, 'nan'],
  [Infinity, 'inf'],
  [-Infinity, '-inf'],
  ['', "''"],
  ['žluťoučký 🐍', "'žluťoučký 🐍'"],
  ['line\r\n\u2028\0', String.raw`'line\r\n\u2028\x00'`],
  ['a\ud800b', String.raw`'a\ud800b'`],
  [[], '[]'],
  [[1, [2, [null]]], '[1, [2, [None]]]'],
  [{a: {b: [NaN]}}, "{'a': {'b': [nan]}}"],
  [{ffid: 3, r: 1, c: 'jsi'}, "{'ffid': 3, 'r': 1, 'c': 'jsi'}"],
  [{$float: 'other'}, "{'$float': 'other'}"],
]

test('what Node sends arrives in Python and comes back the same', async (t) => {
  const bridge = openBridge(t)
  for (const [value, repr] of REQUESTS) {
    t.deepEqual(await bridge.call('values:with_repr', value, withRepr), {value, repr})
  }
})

const RETURNED: Readonly<Record<string, unknown>> = {
  nan: NaN,
  infinities: [Infinity, -Infinity],
  'nested nan': {loss: [1.5, NaN]},
  tuple: [1, 2, [3]],
  none: null,
  'huge int': 1e40,
  path: '/tmp/x',
  surrogate: 'a\ud800b',
  text: 'žluťoučký 🐍 \u2028 \x00 \r\n end',
  'integer keys': {'1': 'a'},
}

test('what Python returns arrives in Node', async (t) => {
  const bridge = openBridge(t)
  for (const [name, value] of Object.entries(RETURNED)) {
    t.deepEqual(await bridge.call('values:python_value', name, anything), value, name)
  }
})

test('numpy scalars arrive as numbers', async (t) => {
  const bridge = openBridge(t)
  const values = {float32: 1.5, int64: 7, bool: true, nested: {score: 0.5, list: [1, 2]}, nan: NaN}
  for (const [name, value] of Object.entries(values)) {
    t.deepEqual(await bridge.call('values:numpy_value', name, anything), value, name)
  }
})

test('what is not JSON is refused with its type, and Python lives on', async (t) => {
  const bridge = openBridge(t)
  const {pid} = await bridge.start()
  const refused = {
    bytes: 'builtins.bytes',
    object: 'builtins.object',
    set: 'builtins.set',
    generator: 'builtins.generator',
  }
  for (const [name, type] of Object.entries(refused)) {
    const call = bridge.call('values:python_value', name, anything)
    const error = await t.throwsAsync(call, {instanceOf: PythonError})
    t.is(error.pythonType, 'TypeError')
    t.true(error.message.includes(`a value of type ${type} cannot cross the bridge`), error.message)
  }
  const array = bridge.call('values:numpy_value', 'array', anything)
  await t.throwsAsync(array, {instanceOf: PythonError, message: /numpy\.ndarray cannot cross/})
  const keys = bridge.call('values:numpy_value', 'integer keys', anything)
  await t.throwsAsync(keys, {instanceOf: PythonError, message: /keys must be str/})
  t.is(bridge.pid, pid)
})

test('10 MB of text cross in both directions, also many at once', async (t) => {
  const bridge = openBridge(t)
  const text = '"\\é'.repeat(2_500_000)
  t.is(await bridge.call('values:identity', text, anything), text)
  const texts = await Promise.all(
    Array.from({length: 4}, () => bridge.call('values:text_of_size', 5_000_000, {reply: z.string()})),
  )
  t.deepEqual(
    texts.map((each) => each.length),
    [5e6, 5e6, 5e6, 5e6],
  )
})

test('a value nested too deeply is an error, not a crash', async (t) => {
  const bridge = openBridge(t)
  const call = bridge.call('values:nested_to', 100_000, anything)
  await t.throwsAsync(call, {instanceOf: PythonError, message: /RecursionError/})
  t.is(await bridge.call('values:identity', 'alive', anything), 'alive')
})

test('a request that is not JSON is refused before Python sees it', async (t) => {
  const bridge = openBridge(t)
  const circular: Record<string, unknown> = {}
  circular['itself'] = circular
  for (const request of [10n, circular]) {
    const call = bridge.call('values:identity', request, anything)
    await t.throwsAsync(call, {
      instanceOf: BridgeMessageError,
      message: /values:identity cannot be written as JSON/,
    })
  }
  t.is(bridge.startsCount, 0)
  const bare = Object.assign(Object.create(null) as object, {a: 1})
  t.deepEqual(await bridge.call('values:identity', bare, anything), {a: 1})
})

test('messages longer than the limit are refused on either side', async (t) => {
  const bridge = openBridge(t, {maxMessageBytes: 10_000})
  const request = bridge.call('values:identity', 'x'.repeat(10_001), anything)
  await t.throwsAsync(request, {
    instanceOf: BridgeMessageError,
    message: /request for values:identity has \d+ bytes/,
  })
  const reply = bridge.call('values:text_of_size', 10_001, anything)
  await t.throwsAsync(reply, {
    instanceOf: PythonError,
    message: /the answer has \d+ bytes, more than the 10000/,
  })
  t.is(await bridge.call('values:text_of_size', 9_000, {reply: z.string()}), 'y'.repeat(9_000))
  t.is(bridge.startsCount, 1)
})

test('a reply that does not fit names the function and the place', async (t) => {
  const bridge = openBridge(t)
  const reply = z.object({splits: z.object({val: z.object({accuracy: z.number()})})})
  const call = bridge.call('values:identity', {splits: {val: {accuracy: 'high'}}}, {reply})
  await t.throwsAsync(call, {
    instanceOf: BridgeMessageError,
    message: /^The reply of values:identity does not fit at splits\.val\.accuracy: .*expected number/,
  })
})

test('Paddle scalars arrive as numbers and tensors are refused', async (t) => {
  const bridge = openBridge(t)
  t.is(await bridge.call('values:paddle_value', 'scalar', anything), 1.5)
  const tensor = bridge.call('values:paddle_value', 'tensor', anything)
  await t.throwsAsync(tensor, {instanceOf: PythonError, message: /Tensor cannot cross the bridge/})
})
