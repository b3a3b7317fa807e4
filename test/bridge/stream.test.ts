import {existsSync, mkdtempSync, readFileSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {setTimeout as delay} from 'node:timers/promises'
import test, {type ExecutionContext} from 'ava'
import {z} from 'zod'
import {
  BridgeCancelledError,
  BridgeClosedError,
  BridgeCrashError,
  BridgeMessageError,
  BridgeTimeoutError,
  PythonError,
} from '../../src/bridge/errors.js'
import {anything, openBridge, settle} from '../helpers/python.js'

const counted = {event: z.object({step: z.number()}), result: z.unknown()}

/** A file that a generator writes in its `finally`. */
function fileFor(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'vilbert-ts-test-'))
  t.teardown(() => {
    rmSync(folder, {recursive: true})
  })
  return join(folder, 'cleaned-up')
}

/** Pulls a stream to its end and tells what came. */
async function pull<E, R>(stream: AsyncGenerator<E, R, void>): Promise<{events: E[]; result: R}> {
  const events: E[] = []
  for (;;) {
    const step = await stream.next()
    if (step.done === true) return {events, result: step.value}
    events.push(step.value)
  }
}

test('events arrive in order, and the result at the end', async (t) => {
  const bridge = openBridge(t)
  const {events, result} = await pull(bridge.stream('streams:count', {steps: 200}, counted))
  t.deepEqual(
    events.map(({step}) => step),
    Array.from({length: 200}, (_, index) => index),
  )
  t.deepEqual(result, {steps: 200})
})

test('a generator that raises rejects the stream after its events', async (t) => {
  const bridge = openBridge(t)
  const stream = bridge.stream('streams:count_and_fail', {steps: 3}, counted)
  const steps: number[] = []
  const error = await t.throwsAsync(
    async () => {
      for await (const {step} of stream) steps.push(step)
    },
    {instanceOf: PythonError},
  )
  t.regex(error.message, /ValueError: the generator failed/)
  t.deepEqual(steps, [0, 1, 2])
  t.is(await bridge.call('values:identity', 'alive', anything), 'alive')
})

test('leaving the loop runs the finally of the generator', async (t) => {
  const bridge = openBridge(t)
  const file = fileFor(t)
  for await (const {step} of bridge.stream('streams:count_and_clean_up', {steps: 100, file}, counted)) {
    if (step === 3) break
  }
  t.is(readFileSync(file, 'utf8'), 'cleaned up')
})

test('aborting runs the finally of the generator, during a step and between two', async (t) => {
  const bridge = openBridge(t)
  await bridge.start()
  for (const sleep of [20, 0]) {
    const file = fileFor(t)
    const signal = AbortSignal.timeout(300)
    const stream = bridge.stream(
      'streams:count_and_clean_up',
      {steps: 1e9, sleep, file},
      {...counted, signal},
    )
    const {error} = await settle(pull(stream))
    t.true(error instanceof BridgeCancelledError, String(error))
    t.is(readFileSync(file, 'utf8'), 'cleaned up')
  }
  t.is(bridge.startsCount, 1)
})

test('a stream that stops at events is never cut within a step, and its last event still arrives', async (t) => {
  const bridge = openBridge(t)
  const file = fileFor(t)
  const controller = new AbortController()
  const abort = controller.abort.bind(controller)
  const options = {...counted, signal: controller.signal}
  const steps: number[] = []
  const {error} = await settle(
    (async () => {
      for await (const {step} of bridge.stream('streams:train', {steps: 1e9, sleep: 0.05, file}, options)) {
        steps.push(step)
        if (step === 3) setTimeout(abort, 25)
      }
    })(),
  )
  t.true(error instanceof BridgeCancelledError)
  t.deepEqual(steps, [0, 1, 2, 3, 4])
  t.is(readFileSync(file, 'utf8'), '5 5')
})

test('a clean-up that fails is told: as the cause of a cancellation, or as the error of the loop left', async (t) => {
  const bridge = openBridge(t)
  const left = bridge.stream('streams:fail_to_clean_up', {steps: 9}, counted)
  await left.next()
  await t.throwsAsync(left.return(undefined), {
    instanceOf: PythonError,
    message: /OSError: the checkpoint was not saved/,
  })
  const controller = new AbortController()
  const stream = bridge.stream(
    'streams:fail_to_clean_up',
    {steps: 9},
    {...counted, signal: controller.signal},
  )
  await stream.next()
  controller.abort()
  const error = await t.throwsAsync(stream.next(), {instanceOf: BridgeCancelledError})
  t.regex(String(error.cause), /OSError: the checkpoint was not saved/)
})

test('a clean-up that does not end is killed when the grace is over', async (t) => {
  const bridge = openBridge(t, {graceMs: 300})
  const stream = bridge.stream('streams:clean_up_for_ever', {steps: 9}, counted)
  await stream.next()
  const {error, tookMs} = await settle(stream.return(undefined))
  t.true(error instanceof BridgeTimeoutError, String(error))
  t.true(tookMs >= 295 && tookMs < 900, `${tookMs} ms`)
  t.is(await bridge.call('values:identity', 'again', anything), 'again')
})

test('each event has its own time limit', async (t) => {
  const bridge = openBridge(t)
  await bridge.start()
  const options = {...counted, timeoutMs: 300}
  const stream = bridge.stream('streams:hang_at', {steps: 9, at: 2}, options)
  t.deepEqual([(await stream.next()).value, (await stream.next()).value], [{step: 0}, {step: 1}])
  const error = await t.throwsAsync(stream.next(), {instanceOf: BridgeTimeoutError})
  t.regex(error.pythonStack, /in hang_at/)
  t.is(bridge.startsCount, 1)
})

test('other calls and streams go in between', async (t) => {
  const bridge = openBridge(t)
  const other = bridge.stream('streams:count', {steps: 20}, counted)
  for await (const {step} of bridge.stream('streams:count', {steps: 20}, counted)) {
    t.is(await bridge.call('values:identity', step, anything), step)
    t.deepEqual((await other.next()).value, {step})
  }
})

test('a crash rejects the stream; it does not go on in the next Python', async (t) => {
  const bridge = openBridge(t)
  const stream = bridge.stream('streams:count', {steps: 20}, counted)
  await stream.next()
  await settle(bridge.call('failing:exit_at_once', 1, anything))
  await bridge.call('values:identity', 'restarted', anything)
  await t.throwsAsync(stream.next(), {instanceOf: BridgeCrashError, message: /during streams:count/})
})

test('an event or a result that does not fit closes the generator', async (t) => {
  const bridge = openBridge(t)
  const file = fileFor(t)
  const event = z.object({step: z.string()})
  const request = {steps: 9, file}
  const stream = bridge.stream('streams:count_and_clean_up', request, {event, result: z.unknown()})
  await t.throwsAsync(stream.next(), {
    instanceOf: BridgeMessageError,
    message: /^An event of streams:count_and_clean_up does not fit at step/,
  })
  t.true(existsSync(file))
  const wrong = pull(bridge.stream('streams:count', {steps: 1}, {...counted, result: z.string()}))
  await t.throwsAsync(wrong, {message: /^The result of streams:count does not fit/})
})

test('what is not a generator is refused', async (t) => {
  const bridge = openBridge(t)
  const stream = bridge.stream('streams:not_a_generator', null, counted)
  await t.throwsAsync(stream.next(), {
    message: /TypeError: streams:not_a_generator is not a generator function/,
  })
})

test('closing the bridge runs the finally of open streams', async (t) => {
  const bridge = openBridge(t)
  const [open, running] = [fileFor(t), fileFor(t)]
  const waiting = bridge.stream('streams:count_and_clean_up', {steps: 9, file: open}, counted)
  await waiting.next()
  const stream = bridge.stream('streams:count_and_clean_up', {steps: 9, sleep: 20, file: running}, counted)
  const step = settle(stream.next())
  await delay(100)
  await bridge.close()
  t.true((await step).error instanceof BridgeClosedError)
  t.is(readFileSync(open, 'utf8'), 'cleaned up')
  t.is(readFileSync(running, 'utf8'), 'cleaned up')
  await t.throwsAsync(waiting.next(), {instanceOf: BridgeClosedError})
})
