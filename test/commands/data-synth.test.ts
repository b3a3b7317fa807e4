import {mkdtemp, readdir, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {setTimeout as delay} from 'node:timers/promises'
import test, {type ExecutionContext} from 'ava'
import {prepareData} from '../../src/data/prepare.js'
import {finished, jsonOf, runCli, startCli} from '../helpers/cli.js'
import {python} from '../helpers/python.js'

test('data synth makes a data root that the readers accept as it counted it', async (t) => {
  const dataRoot = join(await emptyFolder(t), 'world')
  const made = await runCli([...synth(dataRoot), '--images', '8', '--seed', '3', '--json'])
  t.is(made.exitCode, 0)
  t.is(made.stderr, '')
  const {expressions} = jsonOf(made) as {expressions: Record<string, number>}
  const {splits} = await prepareData({dataRoot, dataset: 'refcoco+', annotated: true})
  t.deepEqual(
    Object.fromEntries(Object.entries(splits).map(([split, counts]) => [split, counts.expressions])),
    expressions,
  )
})

test('data synth replaces only what it made, and only when told to', async (t) => {
  const folder = await emptyFolder(t)
  const world = join(folder, 'world')
  const exitCode = async (output: string, ...more: string[]): Promise<number | undefined> =>
    (await runCli([...synth(output, ...more), '--images', '4'])).exitCode
  t.is(await exitCode(world), 0)
  t.is(await exitCode(world), 3)
  t.is(await exitCode(world, '--force', '--dataset', 'refcocog'), 0)
  t.true((await readdir(world)).includes('refcocog'))
  t.is(await exitCode(folder, '--force'), 3)
  t.deepEqual(await readdir(folder), ['world'])
})

test('Ctrl-C during data synth leaves nothing and exits with 130', async (t) => {
  const folder = await emptyFolder(t)
  const program = startCli([...synth(join(folder, 'world')), '--images', '5000', '--json'])
  while ((await readdir(folder)).length === 0) await delay(50)
  program.kill('SIGINT')
  const {exitCode, stdout} = await finished(program)
  t.is(exitCode, 130)
  t.like(JSON.parse(stdout), {error: {code: 'E_INTERRUPTED', exitCode: 130}})
  t.deepEqual(await readdir(folder), [])
})

/** The command line up to the options of a test. */
function synth(output: string, ...more: string[]): string[] {
  return ['data', 'synth', '--python', python, '--output', output, ...more]
}

async function emptyFolder(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'vilbert-synth-'))
  t.teardown(() => rm(folder, {recursive: true, force: true}))
  return folder
}
