import test from 'ava'
import {once} from 'node:events'
import {join} from 'node:path'
import {packageRoot} from '../src/paths.js'
import {finished, jsonOf, runCli, startProgram} from './helpers/cli.js'

const misbehaving = join(packageRoot, 'dist', 'test', 'helpers', 'misbehaving-command.js')
const misbehave = (...args: string[]) => startProgram(misbehaving, args)

/** Starts the waiting command and returns once it waits; in an object, because a process is itself a promise. */
async function waiting(...args: string[]) {
  const program = misbehave(...args)
  await once(program.stderr, 'data')
  return {program}
}

test('a failure is one sentence, its cause, the next step, and its exit code', async (t) => {
  t.deepEqual(await finished(misbehave('--how', 'data')), {
    stdout: '',
    stderr: 'Error: refs(unc).p is cut off at byte 7.\nCause: the disk went away\nNext: Fetch it again.\n',
    exitCode: 4,
    signal: undefined,
  })
})

test('with --json a failure is one document on stdout and nothing on stderr', async (t) => {
  const result = await finished(misbehave('--how', 'data', '--json'))
  t.is(result.exitCode, 4)
  t.is(result.stderr, '')
  const error = {
    code: 'E_TRUNCATED',
    message: 'refs(unc).p is cut off at byte 7.',
    next: 'Fetch it again.',
    exitCode: 4,
  }
  t.deepEqual(jsonOf(result), {error})
})

test('--verbose adds the code, stacks and the Python traceback', async (t) => {
  const {stderr} = await finished(misbehave('--how', 'python', '--verbose'))
  t.regex(stderr, /\nCode: E_DATA \(exit code 4\)\n/)
  t.regex(stderr, /\n {4}at .*misbehaving-command\.js/)
  t.regex(stderr, /----- Python traceback -----\nTraceback \(most recent call last\):\n {2}line 1\n$/)
})

test('without --verbose a mistake in Python shows our own frames, with it all of them', async (t) => {
  const {stderr} = await finished(misbehave('--how', 'own'))
  t.regex(stderr, /----- Python traceback \(all of it with --verbose\) -----\n {2}File "train\.py", line 7/)
  t.false(stderr.includes('all frames'))
  const verbose = await finished(misbehave('--how', 'own', '--verbose'))
  t.true(verbose.stderr.includes('all frames'))
})

test('a Python that ended shows its last lines, control characters escaped; with --verbose all that was kept', async (t) => {
  const {stderr} = await finished(misbehave('--how', 'crash'))
  t.regex(stderr, /----- Last lines of Python -----\nline 12 \\u\{1b\}\[2J\n/)
  t.false(stderr.includes('line 11 '))
  const verbose = await finished(misbehave('--how', 'crash', '--verbose'))
  t.true(verbose.stderr.includes('line 0 '))
})

test('a mistake of ours exits with 1 and says so', async (t) => {
  const {stderr, exitCode} = await finished(misbehave('--how', 'bug'))
  t.is(exitCode, 1)
  t.regex(
    stderr,
    /^Error: Something failed that should not: x is not a function\nNext: Run it again with --verbose/,
  )
})

test('the first Ctrl-C lets the work end in order and the exit code is 130', async (t) => {
  const {program} = await waiting('--how', 'wait', '--json')
  program.kill('SIGINT')
  const result = await finished(program)
  t.is(result.exitCode, 130)
  t.deepEqual(jsonOf(result), {done: false})
  t.true(result.stderr.includes('stopping after this step; press Ctrl-C again to end at once'))
})

test('work that was aborted by Ctrl-C is reported as interrupted', async (t) => {
  const {program} = await waiting('--how', 'abort', '--json')
  program.kill('SIGINT')
  const result = await finished(program)
  t.is(result.exitCode, 130)
  t.like(jsonOf(result), {error: {code: 'E_INTERRUPTED', exitCode: 130}})
})

test('the second Ctrl-C ends at once', async (t) => {
  const {program} = await waiting('--how', 'hang')
  const stopping = once(program.stderr, 'data')
  program.kill('SIGINT')
  await stopping
  program.kill('SIGINT')
  t.is((await finished(program)).exitCode, 130)
})

test('an unknown command or flag is answered with the nearest one and exit code 2', async (t) => {
  const command = await runCli(['config', 'shwo'])
  t.like(command, {
    exitCode: 2,
    stdout: '',
    stderr: 'Error: There is no command "config shwo".\nNext: Did you mean `vilbert-ts config show`?\n',
  })
  const flag = await runCli(['config', 'show', '--epocs', '3'])
  t.is(flag.exitCode, 2)
  t.regex(flag.stderr, /\nNext: Did you mean --epochs\? /)
  const json = await runCli(['config', 'shwo', '--json'])
  t.is(json.stderr, '')
  t.like(jsonOf(json), {error: {code: 'E_USAGE', exitCode: 2}})
})

test('help and version need no command', async (t) => {
  t.regex((await runCli(['--version'])).stdout, /^vilbert-ts\//)
  t.regex((await runCli(['help', 'config'])).stdout, /config validate/)
})

test("another task than the seed's TASK4 is refused", async (t) => {
  const result = await runCli(['config', 'show', '--tasks', '1'])
  t.is(result.exitCode, 2)
  t.regex(result.stderr, /^Error: --tasks 1 is not available: only task 4, referring expressions, is\./)
})
