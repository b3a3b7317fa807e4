import assert from 'node:assert/strict'
import {z} from 'zod'
import type {ArrayReference} from '../../src/bridge/array-file.js'
import {Bridge} from '../../src/bridge/bridge.js'
import {python, pythonFixtures} from '../helpers/python.js'
import {median, timeWork} from './statistics.js'

const COUNT = 20_000_000
const REPEATS = 3

/** Median time, and the worst stall of the event loop. */
export type Transfer = {readonly tookMs: number; readonly stallMs: number}

/** Takes 80 MB of float32 to Python and back, as files and as base64 text. */
export async function measureTransfers(): Promise<Readonly<Record<keyof typeof WAYS, Transfer>>> {
  await using bridge = new Bridge({python, pythonPath: [pythonFixtures], maxMessageBytes: 256 * 1024 * 1024})
  const array = Float32Array.from({length: COUNT}, (_, index) => index % 1000)
  const results: Record<string, Transfer> = {}
  for (const [name, way] of Object.entries(WAYS)) {
    await way(bridge, array)
    const runs: Transfer[] = []
    for (let repeat = 0; repeat < REPEATS; repeat += 1) runs.push(await timeWork(() => way(bridge, array)))
    results[name] = {
      tookMs: median(runs.map(({tookMs}) => tookMs)),
      stallMs: Math.max(...runs.map(({stallMs}) => stallMs)),
    }
  }
  return results as Readonly<Record<keyof typeof WAYS, Transfer>>
}

const WAYS = {
  async fileToPython(bridge: Bridge, array: Float32Array): Promise<void> {
    await using file = await bridge.arrays.write(array, [COUNT])
    assert.equal(await bridge.call('bench_echo:receive_array', file, {reply: z.number()}), 999)
  },
  async base64ToPython(bridge: Bridge, array: Float32Array): Promise<void> {
    const text = Buffer.from(array.buffer).toString('base64')
    assert.equal(await bridge.call('bench_echo:receive_base64', text, {reply: z.number()}), 999)
  },
  async fileToNode(bridge: Bridge): Promise<void> {
    const reference = await bridge.call('bench_echo:send_array', COUNT, {reply: REFERENCE})
    const array = await bridge.arrays.read(reference)
    assert.equal(array.length, COUNT)
  },
  async base64ToNode(bridge: Bridge): Promise<void> {
    const text = await bridge.call('bench_echo:send_base64', COUNT, {reply: z.string()})
    const bytes = Buffer.from(text, 'base64')
    assert.equal(new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4).length, COUNT)
  },
}

const REFERENCE: z.ZodType<ArrayReference> = z.object({
  path: z.string(),
  dtype: z.literal('float32'),
  shape: z.array(z.number()),
})
