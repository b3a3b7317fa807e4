import {existsSync, mkdirSync, readdirSync, writeFileSync} from 'node:fs'
import {dirname, join} from 'node:path'
import {spawnSync} from 'node:child_process'
import test from 'ava'
import {z} from 'zod'
import {ArrayFolder, type ArrayReference} from '../../src/bridge/array-file.js'
import {BridgeCrashError, BridgeMessageError, PythonError} from '../../src/bridge/errors.js'
import {anything, openBridge} from '../helpers/python.js'

const reference: z.ZodType<ArrayReference> = z.object({
  path: z.string(),
  dtype: z.enum(['float32', 'float64', 'int32', 'int64', 'uint8']),
  shape: z.array(z.number()),
})

const ARRAYS = [
  {array: new Float32Array([1.5, -2, 0, NaN, 3, 4]), shape: [2, 3]},
  {array: new Float64Array([Math.PI, 1e300]), shape: [2]},
  {array: new Int32Array([-1, 2]), shape: [1, 2]},
  {array: new BigInt64Array([-(2n ** 60n), 1n]), shape: [2, 1]},
  {array: new Uint8Array([255]), shape: []},
  {array: new Float32Array(0), shape: [0, 5]},
]

test('arrays of every type come back from Python the same, and their files are gone', async (t) => {
  const bridge = openBridge(t)
  for (const {array, shape} of ARRAYS) {
    const paths: string[] = []
    {
      await using file = await bridge.arrays.write(array, shape)
      paths.push(file.path)
      const echoed = await bridge.call('surroundings:echo_array', file, {reply: reference})
      paths.push(echoed.path)
      t.deepEqual(echoed.shape, shape)
      t.deepEqual(await bridge.arrays.read(echoed), array)
    }
    for (const path of paths) t.false(existsSync(path))
  }
})

test('Python sees the type, the shape and the numbers, also of a part of a larger buffer', async (t) => {
  const bridge = openBridge(t)
  const part = new Float32Array([0, 1, 2, 3, 4, 5, 6]).subarray(1, 5)
  await using file = await bridge.arrays.write(part, [2, 2])
  const described = await bridge.call('surroundings:describe_array', file, anything)
  t.deepEqual(described, {
    dtype: 'float32',
    shape: [2, 2],
    values: [
      [1, 2],
      [3, 4],
    ],
  })
})

test('a file that does not have the size of its shape is refused on either side', async (t) => {
  const bridge = openBridge(t)
  await t.throwsAsync(bridge.arrays.write(new Float32Array(5), [2, 3]), {
    instanceOf: BridgeMessageError,
    message: /5 numbers does not have the shape \[2, 3\]/,
  })
  await using file = await bridge.arrays.write(new Float32Array(6), [2, 3])
  const call = bridge.call('surroundings:sum_array', {...file, shape: [2, 4]}, anything)
  await t.throwsAsync(call, {
    instanceOf: PythonError,
    message: /has 24 bytes where float32 \(2, 4\) needs 32/,
  })
  const written = await bridge.call('surroundings:write_array', 4, {reply: reference})
  await t.throwsAsync(bridge.arrays.read({...written, shape: [3]}), {
    message: /16 bytes, which is not float32/,
  })
  t.false(existsSync(written.path))
})

test('what a crashed Python wrote is removed at once, the rest when the bridge closes', async (t) => {
  const bridge = openBridge(t)
  const left = await bridge.call('surroundings:write_array', 100, {reply: reference})
  const folder = dirname(left.path)
  t.deepEqual(readdirSync(folder).length, 1)
  await t.throwsAsync(bridge.call('surroundings:write_array_and_crash', 100, anything), {
    instanceOf: BridgeCrashError,
  })
  await bridge.call('values:identity', 1, anything)
  t.deepEqual(readdirSync(folder), [])
  await bridge.arrays.write(new Float32Array(4), [4])
  await bridge.close()
  t.false(existsSync(folder))
})

test('what a Node that was killed has left is removed by the next one', async (t) => {
  const folder = new ArrayFolder()
  const file = await folder.write(new Uint8Array(1), [1])
  const {pid} = spawnSync('true')
  const abandoned = dirname(file.path).replace(String(process.pid), String(pid))
  mkdirSync(abandoned)
  writeFileSync(join(abandoned, 'node-1'), 'x')
  await folder.remove()
  t.false(existsSync(file.path))
  t.false(existsSync(abandoned))
})
