import {randomUUID} from 'node:crypto'
import {readdirSync, readFileSync} from 'node:fs'
import {join} from 'node:path'
import {setTimeout as delay} from 'node:timers/promises'
import type {ExecutionContext} from 'ava'
import {z} from 'zod'
import {Bridge, type BridgeOptions} from '../../src/bridge/bridge.js'
import {packageRoot} from '../../src/paths.js'

/** The Python that tests run: the one that `setup` made, unless the environment names another. */
export const python = process.env['VILBERT_TS_PYTHON'] ?? join(packageRoot, '.venv', 'bin', 'python')

/** Folder of the tiny Python programs. */
export const pythonFixtures = join(packageRoot, 'test', 'fixtures', 'python')

/** For replies whose form is not the point of a test. */
export const anything = {reply: z.unknown()}

/** Opens a bridge for one test; at its end the bridge is closed and nothing that it started may be left. */
export function openBridge(t: ExecutionContext, options: Partial<BridgeOptions> = {}): Bridge {
  const mark = processMark()
  const bridge = new Bridge({
    python,
    pythonPath: [pythonFixtures],
    ...options,
    env: {...options.env, ...mark.env},
  })
  t.teardown(async () => {
    await bridge.close()
    const left = await processesLeft(mark, 500)
    if (left.length > 0) throw new Error(`still running after close: ${left.join(', ')}`)
  })
  return bridge
}

/** The running Python of a bridge; never 0, which would mean the test's own process group to `kill`. */
export function pidOf(bridge: Bridge): number {
  if (bridge.pid === undefined) throw new Error('no Python runs')
  return bridge.pid
}

/** A mark in the environment by which all descendants of a process can be found. */
export type ProcessMark = {readonly env: Readonly<Record<string, string>>}

export function processMark(): ProcessMark {
  return {env: {VILBERT_TEST_MARK: randomUUID()}}
}

/** The marked processes that are still there when the time is up. */
export async function processesLeft(mark: ProcessMark, waitMs: number): Promise<readonly string[]> {
  const deadline = performance.now() + waitMs
  for (;;) {
    const left = markedProcesses(mark)
    if (left.length === 0 || performance.now() > deadline) return left
    await delay(20)
  }
}

/** The marked processes whose command line holds a text. */
export function markedProcesses({env}: ProcessMark, command = ''): readonly string[] {
  const wanted = Object.entries(env).map(([name, value]) => `${name}=${value}`)
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false
    // The environment of a process that has ended but was not reaped is empty.
    const environment = readText(`/proc/${pid}/environ`).split('\0')
    const isMarked = wanted.every((entry) => environment.includes(entry))
    return isMarked && readText(`/proc/${pid}/cmdline`).includes(command)
  })
}

/** Whether a process runs (one that has ended but was not reaped does not). */
export function isRunning(pid: number): boolean {
  const state = /\) (\S)/.exec(readText(`/proc/${pid}/stat`))?.[1]
  return state !== undefined && state !== 'Z' && state !== 'X'
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

/** How a promise ended, and after how long; one that never ends fails the test with a clear word. */
export type Settled<T> = {readonly value?: T; readonly error?: unknown; readonly tookMs: number}

export async function settle<T>(promise: Promise<T>, limitMs = 15_000): Promise<Settled<T>> {
  const start = performance.now()
  const limit = new AbortController()
  const outcome = promise.then(
    (value) => ({value}),
    (error: unknown) => ({error}),
  )
  const pending = delay(limitMs, undefined, {signal: limit.signal}).then(
    () => ({error: new Error(`still pending after ${limitMs} ms`)}),
    () => ({}),
  )
  const settled = await Promise.race([outcome, pending])
  limit.abort()
  return {...settled, tookMs: performance.now() - start}
}

/** A seeded generator of numbers in [0, 1), so that random moments can be repeated (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}
