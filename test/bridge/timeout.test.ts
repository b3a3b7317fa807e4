import test from 'ava'
import {BridgeTimeoutError} from '../../src/bridge/errors.js'
import {anything, openBridge, settle} from '../helpers/python.js'

test('a call that takes too long is stopped, and the error says where Python stood', async (t) => {
  const bridge = openBridge(t)
  const {pid} = await bridge.start()
  const {error, tookMs} = await settle(bridge.call('waiting:sleep', 20, {...anything, timeoutMs: 300}))
  t.true(error instanceof BridgeTimeoutError)
  if (!(error instanceof BridgeTimeoutError)) return
  t.true(tookMs >= 295 && tookMs < 700, `${tookMs} ms`)
  t.regex(
    error.message,
    /^waiting:sleep took longer than 300 ms; Python stood at .*waiting\.py:\d+ in sleep\.$/,
  )
  t.regex(error.pythonStack, /waiting\.py", line \d+ in sleep$/m)
  t.notRegex(error.pythonStack, /interface\.py/)
  t.deepEqual([error.timeoutMs, error.forced], [300, false])
  t.is(await bridge.call('values:identity', 'alive', anything), 'alive')
  t.is(bridge.pid, pid)
})

test('where Python stood is known even when C code holds its lock', async (t) => {
  const bridge = openBridge(t, {graceMs: 200})
  await bridge.start()
  const {error, tookMs} = await settle(
    bridge.call('waiting:match_for_ever', 20, {...anything, timeoutMs: 200}),
  )
  t.true(error instanceof BridgeTimeoutError)
  if (!(error instanceof BridgeTimeoutError)) return
  t.regex(error.pythonStack, /in match_for_ever/)
  t.true(error.forced)
  t.true(tookMs < 1200, `${tookMs} ms`)
})

test('the time in the queue counts, and a call that was never sent leaves the running one alone', async (t) => {
  const bridge = openBridge(t)
  const running = settle(bridge.call('waiting:sleep', 0.8, anything))
  const {error, tookMs} = await settle(bridge.call('values:identity', 1, {...anything, timeoutMs: 300}))
  t.true(error instanceof BridgeTimeoutError)
  t.regex((error as Error).message, /^values:identity was not started, as Python was busy, within 300 ms\.$/)
  t.true(tookMs >= 295 && tookMs < 500, `${tookMs} ms`)
  t.is((await running).value, 'slept')
})

test("the bridge's own limit holds for calls that give none", async (t) => {
  const bridge = openBridge(t, {timeoutMs: 400})
  await bridge.start()
  await t.throwsAsync(bridge.call('waiting:sleep', 20, anything), {instanceOf: BridgeTimeoutError})
  t.is(await bridge.call('waiting:sleep', 0.5, {...anything, timeoutMs: 0}), 'slept')
})
