import assert from 'node:assert/strict'
import {execFileSync} from 'node:child_process'
import {startPeers, type Peer} from './peers.js'
import {median} from './statistics.js'

const ROUNDS = 60
const CALLS_PER_ROUND = 100
const REQUEST = {
  step: 1234,
  loss: 2.345678,
  phrase: 'man in red, left of the tall woman',
  boxes: [1, 2, 3, 4],
}

/** Round-trip times in µs by peer, the peers taking turns. */
export type Latencies = Readonly<Record<string, number>>

/**
 * Runs in a process that was pinned to core 0.
 * @param pythonCore - the core that the Pythons are moved to
 */
export async function measureLatencies(pythonCore: number): Promise<Latencies> {
  const peers = await startPeers()
  const timesUs = new Map<string, number[]>(peers.map(({name}) => [name, []]))
  for (const {pythonPid} of peers) {
    execFileSync('taskset', ['-acp', String(pythonCore), String(pythonPid)], {stdio: 'ignore'})
  }
  for (let round = -5; round < ROUNDS; round += 1) {
    for (const peer of peers) {
      const timeUs = await timeRound(peer)
      if (round >= 0) timesUs.get(peer.name)?.push(timeUs)
    }
  }
  for (const {close} of peers) await close()
  return Object.fromEntries([...timesUs].map(([name, times]) => [name, median(times)]))
}

async function timeRound({ask}: Peer): Promise<number> {
  const start = performance.now()
  for (let call = 1; call < CALLS_PER_ROUND; call += 1) await ask(REQUEST)
  assert.deepEqual(await ask(REQUEST), REQUEST)
  return ((performance.now() - start) * 1000) / CALLS_PER_ROUND
}
