import test from 'ava'
import {anything, openBridge, settle} from '../helpers/python.js'
import {startProgram} from '../helpers/program.js'

test('nothing that Python prints reaches stdout, and stdout is the same with DEBUG set', async (t) => {
  for (const DEBUG of ['', '*', 'jspybridge', 'oclif']) {
    const args = ['surroundings:print_everywhere', '100000', 'print the reply']
    const {end} = startProgram(t, 'program.mjs', args, {env: {DEBUG}})
    t.deepEqual(await end, {exitCode: 0, signal: null, stdout: '"printed"\n', stderr: ''}, DEBUG)
  }
})

test("the caller's DEBUG and REQ_TIMEOUT are left as they were, and do not matter", async (t) => {
  for (const REQ_TIMEOUT of ['', 'Infinity', '-1', '99999999999', '1']) {
    const args = ['waiting:sleep', '0.1', 'print the reply']
    const {end} = startProgram(t, 'program.mjs', args, {env: {REQ_TIMEOUT}})
    t.is((await end).stdout, '"slept"\n', REQ_TIMEOUT)
  }
})

test('20 MB on each of stdout and stderr do not block; the last 64 KiB are kept, all of it is passed on', async (t) => {
  let length = 0
  const bridge = openBridge(t, {
    onStderr: (text) => {
      length += text.length
    },
  })
  const {value} = await settle(bridge.call('surroundings:print_everywhere', 20_000_000, anything), 60_000)
  t.is(value, 'printed')
  await bridge.close()
  t.is(bridge.stderrTail.length, 64 * 1024)
  t.regex(bridge.stderrTail, /written to descriptor 1\n.*"val": 666\}\n$/)
  t.true(length > 40_000_000)
})

test('Python that reads its input gets none, and does not take it from Node', async (t) => {
  const bridge = openBridge(t)
  t.is(await bridge.call('surroundings:read_input', null, anything), '')
})
