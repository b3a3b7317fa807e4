import {setTimeout as delay} from 'node:timers/promises'
import test, {type ExecutionContext} from 'ava'
import type {Bridge} from '../../src/bridge/bridge.js'
import {BridgeCancelledError} from '../../src/bridge/errors.js'
import {anything, openBridge, seededRandom, settle, type Settled} from '../helpers/python.js'

/** Cancels a call some time after it was sent; the time told is counted from the abort. */
async function cancelAfter(
  bridge: Bridge,
  fn: string,
  request: unknown,
  afterMs: number,
): Promise<Settled<unknown>> {
  const controller = new AbortController()
  const call = settle(bridge.call(fn, request, {...anything, signal: controller.signal}))
  await delay(afterMs)
  const abortedAtMs = performance.now()
  controller.abort(new Error('enough'))
  const settled = await call
  return {...settled, tookMs: performance.now() - abortedAtMs}
}

function assertCancelled(t: ExecutionContext, {error}: Settled<unknown>, forced: boolean): void {
  t.true(error instanceof BridgeCancelledError, String(error))
  if (!(error instanceof BridgeCancelledError)) return
  t.is(error.forced, forced)
  t.is(error.exitCode, 130)
}

test('sleeping and computing Python stops within 50 ms and goes on with the next call', async (t) => {
  const bridge = openBridge(t)
  const {pid} = await bridge.start()
  for (const fn of ['waiting:sleep', 'waiting:compute', 'waiting:swallow_exceptions']) {
    const tookMs: number[] = []
    // The fastest of several: a machine that is busy with other tests says nothing about the bridge.
    for (let round = 0; round < 5; round++) {
      const cancelled = await cancelAfter(bridge, fn, 20, 100)
      assertCancelled(t, cancelled, false)
      tookMs.push(cancelled.tookMs)
      t.is(await bridge.call('values:identity', fn, anything), fn)
    }
    t.log(`${fn}: ${tookMs.map((ms) => ms.toFixed(1)).join(', ')} ms`)
    t.true(Math.min(...tookMs) <= 50, `${fn}: ${tookMs.join(', ')} ms`)
  }
  t.is(bridge.pid, pid)
})

test('numpy and Paddle stop after the operation they are in', async (t) => {
  const bridge = openBridge(t)
  await bridge.call('values:paddle_value', 'scalar', anything)
  for (const fn of ['waiting:compute_with_numpy', 'waiting:compute_with_paddle']) {
    const cancelled = await cancelAfter(bridge, fn, 20, 200)
    assertCancelled(t, cancelled, false)
    t.log(`${fn}: ${cancelled.tookMs.toFixed(1)} ms`)
    t.true(cancelled.tookMs <= 500)
  }
  t.is(bridge.startsCount, 1)
})

test("the signal's reason is the cause of the error", async (t) => {
  const bridge = openBridge(t)
  const {error} = await cancelAfter(bridge, 'waiting:sleep', 20, 50)
  t.is(((error as BridgeCancelledError).cause as Error).message, 'enough')
})

test('a queued call is cancelled without being sent, the running one goes on', async (t) => {
  const bridge = openBridge(t)
  const running = settle(bridge.call('waiting:sleep', 0.6, anything))
  assertCancelled(t, await cancelAfter(bridge, 'waiting:sleep', 20, 100), false)
  t.is((await running).value, 'slept')
})

test('a call with an aborted signal is not sent, and does not start Python', async (t) => {
  const bridge = openBridge(t)
  const call = bridge.call('values:identity', 1, {...anything, signal: AbortSignal.abort()})
  await t.throwsAsync(call, {instanceOf: BridgeCancelledError, message: /before it was sent/})
  t.is(bridge.startsCount, 0)
})

test('a call is cancelled while Python still starts', async (t) => {
  const bridge = openBridge(t)
  const cancelled = await cancelAfter(bridge, 'waiting:sleep', 20, 1)
  assertCancelled(t, cancelled, false)
  t.true(cancelled.tookMs < 50)
  t.is(await bridge.call('values:identity', 'started', anything), 'started')
})

for (const fn of ['match_for_ever', 'hold_lock_in_c', 'swallow_everything']) {
  test(`Python that cannot be interrupted is killed when the grace is over (${fn})`, async (t) => {
    const bridge = openBridge(t, {graceMs: 400})
    await bridge.start()
    const cancelled = await cancelAfter(bridge, `waiting:${fn}`, 20, 100)
    assertCancelled(t, cancelled, true)
    t.true(cancelled.tookMs >= 390 && cancelled.tookMs <= 900, `${cancelled.tookMs} ms`)
    t.is(await bridge.call('values:identity', 'restarted', anything), 'restarted')
  })
}

test('an import is not cut in half: the cancelled call ends when it is done', async (t) => {
  const bridge = openBridge(t)
  await bridge.start()
  const cancelled = await cancelAfter(bridge, 'waiting:import_slowly', null, 100)
  assertCancelled(t, cancelled, false)
  t.true(cancelled.tookMs >= 200, `${cancelled.tookMs} ms`)
  t.is(await bridge.call('waiting:import_slowly', null, anything), 42)
})

test('a cancellation that meets a destructor is not lost', async (t) => {
  const bridge = openBridge(t)
  await bridge.start()
  const cancelled = await cancelAfter(bridge, 'waiting:destroy_slowly', null, 100)
  assertCancelled(t, cancelled, false)
  t.true(cancelled.tookMs < 1000, `${cancelled.tookMs} ms`)
})

test('an error while cleaning up is the cause of the cancellation', async (t) => {
  const bridge = openBridge(t)
  await bridge.start()
  const cancelled = await cancelAfter(bridge, 'waiting:fail_when_cancelled', null, 100)
  assertCancelled(t, cancelled, false)
  t.regex(String((cancelled.error as Error).cause), /OSError: the clean-up failed/)
})

test('400 cancels at random moments never hit the wrong call', async (t) => {
  const random = seededRandom(400)
  const bridge = openBridge(t)
  await bridge.start()
  let cancelledCount = 0
  for (let round = 0; round < 400; round += 1) {
    const controller = new AbortController()
    const call = settle(bridge.call('waiting:compute', 0.015, {...anything, signal: controller.signal}))
    const next = settle(bridge.call('values:identity', round, anything))
    setTimeout(() => {
      controller.abort()
    }, random() * 25)
    const {value, error} = await call
    if (error instanceof BridgeCancelledError) cancelledCount += 1
    else t.is(value, 'computed')
    t.is((await next).value, round)
  }
  t.log(`${cancelledCount} of 400 were cancelled, the others were done before`)
  t.true(cancelledCount > 100 && cancelledCount < 400)
  t.is(bridge.startsCount, 1)
})
