import {mkdtempSync, readFileSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {setTimeout as delay} from 'node:timers/promises'
import test from 'ava'
import {z} from 'zod'
import {BridgeClosedError} from '../../src/bridge/errors.js'
import {packageRoot} from '../../src/paths.js'
import {
  anything,
  isRunning,
  markedProcesses,
  openBridge,
  pidOf,
  processesLeft,
  processMark,
  settle,
} from '../helpers/python.js'
import {bridgeEnvironment, startProgram} from '../helpers/program.js'
import {execa} from 'execa'

const HANGING_CALLS = [
  {what: 'Python sleeps', fn: 'waiting:sleep', request: '300', pythons: 1},
  {what: 'C code holds the lock of Python', fn: 'waiting:match_for_ever', request: 'null', pythons: 1},
  {
    what: 'Python has forked workers',
    fn: 'surroundings:fork_workers_and_hang',
    request: 'null',
    pythons: 3,
  },
  {
    what: 'Paddle loads with workers',
    fn: 'surroundings:load_with_workers_and_hang',
    request: '0',
    pythons: 3,
  },
]

for (const {what, fn, request, pythons} of HANGING_CALLS) {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGKILL'] as const) {
    test.serial(`no Python is left 0.5 s after Node ends by ${signal} while ${what}`, async (t) => {
      const program = startProgram(t, 'program.mjs', [fn, request, 'stay in the call'])
      await program.says('running')
      const deadline = performance.now() + 30_000
      const running = (): number => markedProcesses(program.mark, 'boot.py').length
      while (running() < pythons && performance.now() < deadline) await delay(50)
      await delay(100)
      t.is(running(), pythons)
      program.child.kill(signal)
      t.deepEqual(await processesLeft(program.mark, 500), [])
      t.is((await program.end).signal, signal)
    })
  }
}

const ENDINGS = [
  {ending: 'exit during the call', exitCode: 3, stderr: /^$/},
  {ending: 'throw during the call', exitCode: 1, stderr: /uncaught on purpose/},
  {ending: 'leave a rejection', exitCode: 1, stderr: /unhandled on purpose/},
]

for (const {ending, exitCode, stderr} of ENDINGS) {
  test.serial(`no Python is left when a program ends by itself (${ending})`, async (t) => {
    const program = startProgram(t, 'program.mjs', ['waiting:sleep', '300', ending])
    const end = await program.end
    t.is(end.exitCode, exitCode)
    t.regex(end.stderr, stderr)
    t.deepEqual(await processesLeft(program.mark, 500), [])
  })
}

test('a program that forgets close() exits, and so does Python', async (t) => {
  const program = startProgram(t, 'program.mjs', ['values:identity', '1', 'print the reply'])
  const end = await program.end
  t.deepEqual(end, {exitCode: 0, signal: null, stdout: '1\n', stderr: ''})
  t.deepEqual(await processesLeft(program.mark, 500), [])
})

test('Ctrl-C in a terminal reaches Node only, which decides; Python prints no traceback', async (t) => {
  const bridge = openBridge(t)
  await bridge.start()
  const running = settle(bridge.call('waiting:sleep', 0.5, anything))
  await delay(200)
  process.kill(pidOf(bridge), 'SIGINT')
  t.is((await running).value, 'slept')
  process.kill(pidOf(bridge), 'SIGINT')
  await delay(100)
  t.is(await bridge.call('values:identity', 'alive', anything), 'alive')
  t.is(bridge.stderrTail, '')
  t.is(bridge.startsCount, 1)
})

test('worker threads have a Python each, which ends when the thread is terminated during a call', async (t) => {
  const program = startProgram(t, 'worker.mjs', [])
  await program.says('terminated')
  const deadline = performance.now() + 500
  while (markedProcesses(program.mark).length > 1 && performance.now() < deadline) await delay(20)
  t.is(markedProcesses(program.mark).length, 1)
  program.child.kill('SIGKILL')
  const [pids] = (await program.end).stdout.split('\n')
  t.is(new Set(z.array(z.number()).parse(JSON.parse(pids ?? ''))).size, 2)
})

test('two bridges in one process work side by side, and one lives on when the other is killed', async (t) => {
  const [first, second] = [openBridge(t), openBridge(t)]
  await Promise.all([first.start(), second.start()])
  t.not(first.pid, second.pid)
  const {tookMs} = await settle(
    Promise.all([first.call('waiting:sleep', 0.7, anything), second.call('waiting:sleep', 0.7, anything)]),
  )
  t.true(tookMs < 1300, `${tookMs} ms`)
  process.kill(pidOf(first), 'SIGKILL')
  t.is(await second.call('values:identity', 'alive', anything), 'alive')
})

for (const flag of ['--worker-threads', '--no-worker-threads']) {
  test.serial(`ava ends by itself after tests that used the bridge (${flag})`, async (t) => {
    const mark = processMark()
    const ava = join(packageRoot, 'node_modules', 'ava', 'entrypoints', 'cli.mjs')
    const {exitCode, all} = await execa(process.execPath, [ava, flag], {
      cwd: join(packageRoot, 'test', 'fixtures', 'ava-project'),
      env: {...bridgeEnvironment(), ...mark.env, AVA_FORCE_CI: 'not-ci'},
      all: true,
      reject: false,
    })
    t.is(exitCode, 0, all)
    t.regex(all, /1 test passed/)
    t.deepEqual(await processesLeft(mark, 500), [])
  })
}

test('close() lets atexit functions run and ends Python', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'vilbert-ts-test-'))
  t.teardown(() => {
    rmSync(folder, {recursive: true})
  })
  const bridge = openBridge(t)
  await bridge.call('surroundings:write_at_exit', join(folder, 'mark'), anything)
  const pid = pidOf(bridge)
  const {tookMs} = await settle(bridge.close())
  t.true(tookMs < 1000, `${tookMs} ms`)
  t.false(isRunning(pid))
  t.is(readFileSync(join(folder, 'mark'), 'utf8'), 'atexit ran')
  await t.throwsAsync(bridge.call('values:identity', 1, anything), {instanceOf: BridgeClosedError})
})

test('close() ends a running call and rejects what is queued', async (t) => {
  const bridge = openBridge(t, {graceMs: 500})
  await bridge.start()
  const calls = ['compute', 'sleep'].map((name) => settle(bridge.call(`waiting:${name}`, 30, anything)))
  await delay(100)
  const {tookMs} = await settle(bridge.close())
  t.true(tookMs < 300, `${tookMs} ms`)
  for (const call of calls) t.true((await call).error instanceof BridgeClosedError)
})

test('close() kills a Python that does not end within the grace', async (t) => {
  const bridge = openBridge(t, {graceMs: 300})
  await bridge.start()
  const call = settle(bridge.call('waiting:swallow_everything', 30, anything))
  await delay(100)
  const {tookMs} = await settle(bridge.close())
  t.true(tookMs >= 290 && tookMs < 900, `${tookMs} ms`)
  t.true((await call).error instanceof BridgeClosedError)
})

test('close() is harmless before the start, during it, twice, and after a crash', async (t) => {
  const unused = openBridge(t)
  await unused.close()
  await t.throwsAsync(unused.start(), {instanceOf: BridgeClosedError})
  const starting = openBridge(t)
  const call = settle(starting.call('values:identity', 1, anything))
  await Promise.all([starting.close(), starting.close()])
  t.true((await call).error instanceof BridgeClosedError)
  const crashed = openBridge(t)
  await settle(crashed.call('failing:exit_at_once', 1, anything))
  await crashed.close()
})
