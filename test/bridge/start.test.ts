import {chmodSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import test, {type ExecutionContext} from 'ava'
import {z} from 'zod'
import {BridgeSpawnError} from '../../src/bridge/errors.js'
import {anything, openBridge, python, settle} from '../helpers/python.js'

const UNUSABLE = [
  {python: '/nonexistent/python', code: 'E_BRIDGE_SPAWN_ENOENT', message: /there is no such file/},
  {python: 'no-such-python-on-path', code: 'E_BRIDGE_SPAWN_ENOENT', message: /there is no such file/},
  {python: '/etc/passwd', code: 'E_BRIDGE_SPAWN_EACCES', message: /it is not executable/},
  {python: '/bin', code: 'E_BRIDGE_SPAWN_EISDIR', message: /it is a folder/},
  {
    python: 'nul\0byte',
    code: 'E_BRIDGE_SPAWN_ERR_INVALID_ARG_VALUE',
    message: /nul\\u\{0\}byte cannot be started/,
  },
  {python: '/bin/true', code: 'E_BRIDGE_SPAWN', message: /ended \(exit code 0\).*3 times in a row/},
  {python: '/bin/cat', code: 'E_BRIDGE_SPAWN', message: /ended \(exit code 1\): .*3 times in a row/},
]

for (const unusable of UNUSABLE) {
  test(`a Python that cannot be started is told at once (${JSON.stringify(unusable.python)})`, async (t) => {
    const bridge = openBridge(t, {python: unusable.python})
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const {error, tookMs} = await settle(bridge.call('values:identity', 1, anything))
      t.true(error instanceof BridgeSpawnError, String(error))
      if (!(error instanceof BridgeSpawnError)) return
      t.regex(error.message, unusable.message)
      t.is(error.code, unusable.code)
      t.is(error.exitCode, 7)
      t.regex(error.next ?? '', /vilbert-ts doctor/)
      t.true(tookMs < 2000)
    }
  })
}

/** A program in place of Python, and a file in which it counts how often it ran. */
function fakePython(t: ExecutionContext, script: string): {file: string; countFile: string} {
  const folder = mkdtempSync(join(tmpdir(), 'vilbert-ts-test-'))
  t.teardown(() => {
    rmSync(folder, {recursive: true})
  })
  const [file, countFile] = [join(folder, 'python'), join(folder, 'count')]
  writeFileSync(countFile, '')
  writeFileSync(file, `#!/bin/sh\necho >> ${countFile}\n${script.replaceAll('COUNT', countFile)}\n`)
  chmodSync(file, 0o755)
  return {file, countFile}
}

test('a Python that hangs at the start is killed when the time is up, and not tried again', async (t) => {
  const {file} = fakePython(t, 'exec sleep 100')
  const bridge = openBridge(t, {python: file, startTimeoutMs: 300})
  const {error, tookMs} = await settle(bridge.start())
  t.regex(String(error), /did not answer within 300 ms/)
  t.true(tookMs >= 290 && tookMs < 1000, `${tookMs} ms`)
})

test('a Python that dies at the start twice and then works is used', async (t) => {
  const {file} = fakePython(t, `test $(wc -l < COUNT) -lt 3 && exit 1\nexec ${python} "$@"`)
  const bridge = openBridge(t, {python: file})
  t.is(await bridge.call('values:identity', 'third time lucky', anything), 'third time lucky')
})

test('after three deaths at the start nothing is tried until start() asks for it', async (t) => {
  const {file} = fakePython(
    t,
    `echo "no paddle today" >&2\ntest $(wc -l < COUNT) -lt 4 && exit 1\nexec ${python} "$@"`,
  )
  const bridge = openBridge(t, {python: file})
  const first = await settle(bridge.call('values:identity', 1, anything))
  t.true(first.error instanceof BridgeSpawnError)
  t.is((first.error as BridgeSpawnError).stderrTail, 'no paddle today\n')
  const second = await settle(bridge.call('values:identity', 2, anything))
  t.is(second.error, first.error)
  t.true(second.tookMs < 50)
  await bridge.start()
  t.is(await bridge.call('values:identity', 3, anything), 3)
})

test('nothing is started before the first call', async (t) => {
  const bridge = openBridge(t)
  t.is(bridge.pid, undefined)
  t.is(bridge.startsCount, 0)
  const hello = await bridge.start()
  t.is(bridge.pid, hello.pid)
  t.regex(hello.pythonVersion, /^3\.\d+\.\d+/)
  t.deepEqual(await bridge.start(), hello)
})

test('pythonia stays out of the way of Python modules, and our modules out of the top level', async (t) => {
  const bridge = openBridge(t)
  const reply = {reply: z.boolean()}
  for (const name of ['interface', 'ws', 'json_patch', 'boot', 'cancellation', 'messages']) {
    t.false(await bridge.call('surroundings:is_importable', name, reply), name)
  }
  t.true(await bridge.call('surroundings:is_importable', 'vilbert.bridge', reply))
})

test('Python gets the environment that is asked for, threads for its cores, and no Node channel', async (t) => {
  const bridge = openBridge(t, {env: {VILBERT_TEST: 'given'}})
  const environment = (name: string): Promise<unknown> =>
    bridge.call('surroundings:environment', name, anything)
  t.is(await environment('VILBERT_TEST'), 'given')
  t.is(await environment('NODE_CHANNEL_FD'), null)
  t.regex(String(await environment('OMP_NUM_THREADS')), /^[1-9]\d*$/)
  const single = openBridge(t, {env: {OMP_NUM_THREADS: '1'}})
  t.is(await single.call('surroundings:environment', 'OMP_NUM_THREADS', anything), '1')
})

test('children of multiprocessing run, forked and spawned', async (t) => {
  const bridge = openBridge(t)
  for (const method of ['fork', 'spawn']) {
    t.is(await bridge.call('surroundings:run_child', method, anything), 0, method)
  }
  t.regex(bridge.stderrTail, /the child says hello/)
})
