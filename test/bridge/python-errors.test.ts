import test from 'ava'
import {
  CheckpointError,
  ConfigError,
  DataError,
  EnvironmentError,
  NetworkError,
  VilbertError,
} from '../../src/errors.js'
import {PythonError} from '../../src/bridge/errors.js'
import {anything, openBridge} from '../helpers/python.js'

test('an exception arrives with its type, message and traceback', async (t) => {
  const bridge = openBridge(t)
  const call = bridge.call('failing:raise_value_error', null, anything)
  const error = await t.throwsAsync(call, {instanceOf: PythonError})
  t.is(error.message, 'Python raised ValueError: boom: bad value')
  t.is(error.pythonType, 'ValueError')
  t.is(error.exitCode, 1)
  t.regex(error.traceback, /bridge\.py.*failing\.py", line \d+, in raise_value_error.*ValueError: boom/s)
})

test("an exception's plain attributes come along", async (t) => {
  const bridge = openBridge(t)
  const call = bridge.call('failing:raise_custom', null, anything)
  const error = await t.throwsAsync(call, {instanceOf: PythonError})
  t.deepEqual(error.data, {step: 7})
})

test('the short traceback has only the frames of our own sources', async (t) => {
  const bridge = openBridge(t)
  const call = bridge.call('failing:raise_from_library', null, anything)
  const error = await t.throwsAsync(call, {instanceOf: PythonError})
  t.regex(error.traceback, /json.decoder\.py/)
  t.notRegex(error.ownTraceback, /decoder\.py|bridge\.py|interface\.py/)
  t.regex(error.ownTraceback, /failing\.py", line \d+, in raise_from_library/)
})

test('a chain of exceptions is told in the traceback', async (t) => {
  const bridge = openBridge(t)
  const call = bridge.call('failing:raise_chained', null, anything)
  const error = await t.throwsAsync(call, {instanceOf: PythonError, message: /KeyError/})
  t.regex(error.ownTraceback, /ValueError: invalid literal.*direct cause.*KeyError: 'outer'/s)
})

test('a long message is one printable line, the whole of it is in the traceback', async (t) => {
  const bridge = openBridge(t)
  const call = bridge.call('failing:raise_long', null, anything)
  const error = await t.throwsAsync(call, {instanceOf: PythonError})
  t.regex(error.message, /^Python raised ValueError: first line second line x+…$/)
  t.true(error.traceback.includes('x'.repeat(5000)))
})

const KINDS = {
  config: ConfigError,
  data: DataError,
  checkpoint: CheckpointError,
  environment: EnvironmentError,
  network: NetworkError,
}

test("the user's mistakes that Python finds are the errors of their kind", async (t) => {
  const bridge = openBridge(t)
  for (const [kind, instanceOf] of Object.entries(KINDS)) {
    const call = bridge.call('failing:raise_user_mistake', kind, anything)
    const error: VilbertError = await t.throwsAsync(call, {instanceOf})
    t.is(error.message, `the ${kind} is wrong`)
    t.is(error.code, 'E_TEST')
    t.is(error.next, 'Do it right.')
    t.true(error.cause instanceof PythonError)
  }
  const unknown = bridge.call('failing:raise_user_mistake', 'constructor', anything)
  await t.throwsAsync(unknown, {instanceOf: PythonError})
})

const SURVIVED: Readonly<Record<string, string>> = {
  exit_softly: 'SystemExit',
  raise_keyboard_interrupt: 'KeyboardInterrupt',
  raise_without_message: 'NoMessage',
  exhaust_recursion: 'RecursionError',
}

test('nothing that Python raises ends the process', async (t) => {
  const bridge = openBridge(t)
  for (const [name, pythonType] of Object.entries(SURVIVED)) {
    const call = bridge.call(`failing:${name}`, 3, anything)
    const error = await t.throwsAsync(call, {instanceOf: PythonError})
    t.is(error.pythonType, pythonType)
  }
  t.is(await bridge.call('values:identity', 'alive', anything), 'alive')
  t.is(bridge.startsCount, 1)
})

test('a missing module or function is a Python error', async (t) => {
  const bridge = openBridge(t)
  const module = bridge.call('no_such_module:f', null, anything)
  await t.throwsAsync(module, {message: /ModuleNotFoundError: No module named 'no_such_module'/})
  const named = bridge.call('values:no_such_function', null, anything)
  await t.throwsAsync(named, {message: /AttributeError: .*no_such_function/})
  const malformed = bridge.call('values', null, anything)
  await t.throwsAsync(malformed, {instanceOf: PythonError})
})

test("an error inside Paddle arrives with Paddle's message", async (t) => {
  const bridge = openBridge(t)
  const call = bridge.call('failing:raise_enforce_error', null, anything)
  await t.throwsAsync(call, {instanceOf: PythonError, message: /ValueError: .*InvalidArgument/})
})

test('of 1000 calls at once each gets its own answer or its own error', async (t) => {
  const bridge = openBridge(t)
  const calls = Array.from({length: 1000}, (_, number) =>
    bridge.call('failing:fail_if_odd', number, anything),
  )
  const outcomes = await Promise.allSettled(calls)
  for (const [number, outcome] of outcomes.entries()) {
    if (number % 2 === 0) t.deepEqual(outcome, {status: 'fulfilled', value: number})
    else
      t.is(
        outcome.status === 'rejected' && (outcome.reason as Error).message,
        `Python raised ValueError: ${number}`,
      )
  }
})
