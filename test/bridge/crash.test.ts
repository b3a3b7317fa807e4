import {setTimeout as delay} from 'node:timers/promises'
import test from 'ava'
import {z} from 'zod'
import {BridgeCrashError, BridgeMessageError} from '../../src/bridge/errors.js'
import {anything, isRunning, openBridge, pidOf, seededRandom, settle} from '../helpers/python.js'

const CRASHES: readonly {
  readonly name: string
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly message: RegExp
}[] = [
  {
    name: 'exit_at_once',
    code: 4,
    signal: null,
    message: /ended during failing:exit_at_once \(exit code 4\)$/,
  },
  {name: 'print_and_exit', code: 4, signal: null, message: /\(exit code 4\): last words$/},
  {name: 'segfault', code: null, signal: 'SIGSEGV', message: /SIGSEGV\): Fatal Python error: Segmentation/},
  {name: 'abort', code: null, signal: 'SIGABRT', message: /SIGABRT\): Fatal Python error: Aborted$/},
]

test('a crash rejects the call with exit code or signal, and the next call runs in a new Python', async (t) => {
  const bridge = openBridge(t)
  for (const {name, code, signal, message} of CRASHES) {
    const call = bridge.call(`failing:${name}`, 4, anything)
    const error = await t.throwsAsync(call, {instanceOf: BridgeCrashError, message})
    t.is(error.pythonExitCode, code)
    t.is(error.pythonSignal, signal)
    t.is(error.exitCode, 7)
    t.is(await bridge.call('values:identity', name, anything), name)
  }
  t.is(bridge.startsCount, 1 + CRASHES.length)
})

test('a segfault names the Python line, also after Paddle has put its own handlers in place', async (t) => {
  const bridge = openBridge(t)
  for (const name of ['segfault', 'segfault_after_paddle']) {
    const call = bridge.call(`failing:${name}`, null, anything)
    const error = await t.throwsAsync(call, {instanceOf: BridgeCrashError})
    t.regex(
      error.stderrTail,
      new RegExp(`Fatal Python error: Segmentation.*failing\\.py", line \\d+ in ${name}`, 's'),
    )
  }
})

test('a call that waits behind a crash runs in the next Python', async (t) => {
  const bridge = openBridge(t)
  const crash = settle(bridge.call('failing:exit_at_once', 1, anything))
  const queued = settle(bridge.call('values:identity', 'never sent before', anything))
  t.true((await crash).error instanceof BridgeCrashError)
  t.is((await queued).value, 'never sent before')
})

test('a Python killed between two calls costs at most the next call', async (t) => {
  const bridge = openBridge(t)
  const {pid} = await bridge.start()
  process.kill(pid, 'SIGKILL')
  const inTheWindow = await settle(bridge.call('values:identity', 1, anything))
  t.true(inTheWindow.error instanceof BridgeCrashError || inTheWindow.value === 1)
  t.is(await bridge.call('values:identity', 2, anything), 2)
  process.kill(pidOf(bridge), 'SIGKILL')
  await delay(300)
  t.is(bridge.pid, undefined)
  t.is(await bridge.call('values:identity', 3, anything), 3)
})

test('40 kills at random moments: each call is rejected within 500 ms, with the end of stderr', async (t) => {
  const random = seededRandom(40)
  const bridge = openBridge(t)
  const tookMs: number[] = []
  for (let kill = 0; kill < 40; kill += 1) {
    await bridge.call('surroundings:print_everywhere', 100, anything)
    const call = settle(bridge.call('waiting:compute', 30, anything))
    const queued = settle(bridge.call('values:identity', kill, anything))
    await delay(random() * 60)
    const killedAtMs = performance.now()
    process.kill(pidOf(bridge), 'SIGKILL')
    const {error} = await call
    tookMs.push(performance.now() - killedAtMs)
    t.true(error instanceof BridgeCrashError)
    if (!(error instanceof BridgeCrashError)) return
    t.is(error.pythonSignal, 'SIGKILL')
    t.regex(error.stderrTail, /"val": 666/)
    t.is((await queued).value, kill)
  }
  tookMs.sort((a, b) => a - b)
  t.log(`rejected after ${tookMs[20]?.toFixed(1)} ms (median), ${tookMs[39]?.toFixed(1)} ms (worst)`)
  t.true((tookMs[20] ?? Infinity) <= 100)
  t.true((tookMs[39] ?? Infinity) <= 500)
})

test('programs that Python started are gone with it', async (t) => {
  const bridge = openBridge(t)
  const program = await bridge.call('surroundings:start_program', null, {reply: z.number()})
  t.true(isRunning(program))
  const {tookMs} = await settle(bridge.call('failing:exit_at_once', 1, anything))
  t.true(tookMs < 500)
  await delay(50)
  t.false(isRunning(program))
})

test('a Python that crashes time after time is restarted ever more slowly', async (t) => {
  const bridge = openBridge(t)
  const start = performance.now()
  for (let crash = 0; crash < 4; crash += 1) {
    await t.throwsAsync(bridge.call('failing:exit_at_once', 1, anything), {instanceOf: BridgeCrashError})
  }
  t.true(performance.now() - start >= 300)
})

test("text that is not pythonia's protocol ends Python with a clear error", async (t) => {
  const bridge = openBridge(t)
  const garbage = bridge.call('failing:break_channel', null, anything)
  await t.throwsAsync(garbage, {instanceOf: BridgeMessageError, message: /not pythonia's protocol/})
  t.is(await bridge.call('values:identity', 'again', anything), 'again')
})

test('a message without end is cut off where it can no longer be meant', async (t) => {
  const bridge = openBridge(t, {maxMessageBytes: 10_000})
  const flood = bridge.call('failing:flood_channel', 100_000, anything)
  await t.throwsAsync(flood, {instanceOf: BridgeMessageError, message: /more than 24096 bytes/})
  t.is(await bridge.call('values:identity', 'again', anything), 'again')
})
