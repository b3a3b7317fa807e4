import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import test from 'ava'
import {execa} from 'execa'
import {cliFile, runCli} from './helpers/cli.js'
import {golden, goldenDataRoot, temporaryFolder} from './helpers/golden.js'
import {packageRoot} from '../src/paths.js'
import {python, pythonFixtures} from './helpers/python.js'

/** What colours and bold letters begin with; other sequences move the cursor. */
const colour = /\u001b\[[\d;]*m/
const escape = '\u001b'
const inClone = {VILBERT_TS_PYTHON: ''}

test('in a terminal titles are bold and bars move; with NO_COLOR nothing is coloured', async (t) => {
  const output = (name: string) => join(folder, name)
  const folder = await temporaryFolder(t)
  const help = ['run', 'list', '--help']
  t.regex(await shown(t, help), colour)
  t.notRegex(await shown(t, help, {NO_COLOR: '1'}), colour)
  t.notRegex(await shown(t, ['setup'], {...inClone, NO_COLOR: '1'}), colour)
  const synth = await shown(t, ['data', 'synth', '--output', output('one'), '--images', '20'], {
    NO_COLOR: '1',
  })
  t.notRegex(synth, colour)
  t.regex(synth, /Making pictures \[=+\] 100% 20\/20 pictures .*\n(.*\r)?\/.*one: 20 pictures/)
})

test('in a terminal that cannot move its cursor nothing moves', async (t) => {
  const output = join(await temporaryFolder(t), 'two')
  const env = {TERM: 'dumb', NO_COLOR: '1'}
  t.false((await shown(t, ['data', 'synth', '--output', output, '--images', '20'], env)).includes(escape))
  t.false((await shown(t, ['setup'], {...env, ...inClone})).includes(escape))
})

test('without a terminal data go to stdout, messages to stderr, and neither is coloured or moves', async (t) => {
  const folder = await temporaryFolder(t)
  const source = ['--data-root', await goldenDataRoot(t), '--config', join(golden, 'config.json')]
  const model = [...source, '--from-pretrained', join(golden, 'weights.pdparams')]
  const ids = join(folder, 'ids')
  await writeFile(ids, '99999\n')
  const nothing = /^$/
  const cases: readonly (readonly [readonly string[], RegExp, RegExp])[] = [
    [['eval', '--help'], /^Measure accuracy/, nothing],
    [['config', 'show'], /^data:|^\{/, nothing],
    [['checkpoint', 'inspect', join(golden, 'weights.pdparams')], /^file /, nothing],
    [['data', 'synth', '--output', join(folder, 'made'), '--images', '20'], /: 20 pictures/, nothing],
    [['train', ...source, '--output-dir', join(folder, 'run'), '--epochs', '1'], /best/, /epoch 1/i],
    [['eval', ...model, '--exclude', ids], /^val: accuracy/, /Left out 0 sentences[^]*no sent_id 99999/],
    [['eval', ...model, '--min-accuracy', '1.1'], /^val: accuracy/, /^Error: Accuracy on val is /],
    [['train', ...source, '--epochs', 'many'], nothing, /^Error: /],
  ]
  for (const [args, stdout, stderr] of cases) {
    const outcome = await runCli(args, {env: {VILBERT_TS_PYTHON: python, TERM: 'xterm-256color'}})
    t.regex(outcome.stdout, stdout, args.join(' '))
    t.regex(outcome.stderr, stderr, args.join(' '))
    t.false(`${outcome.stdout}${outcome.stderr}`.includes(escape), args.join(' '))
  }
})

/** What a person at a terminal sees. */
async function shown(
  t: import('ava').ExecutionContext,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const terminal = [join(pythonFixtures, 'terminal.py'), process.execPath, cliFile, ...args]
  const {stdout, exitCode} = await execa(python, terminal, {
    cwd: packageRoot,
    env: {NODE_ENV: '', VILBERT_TS_PYTHON: python, TERM: 'xterm-256color', CI: undefined, ...env},
    stdin: 'ignore',
    timeout: 60_000,
    reject: false,
  })
  t.is(exitCode, 0, stdout)
  return stdout.replaceAll('\r\n', '\n')
}
