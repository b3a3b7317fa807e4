import test from 'ava'
import {readFile, utimes, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import type {ExecutionContext} from 'ava'
import {jsonOf, runCli} from '../helpers/cli.js'
import {golden, goldenDataRoot, temporaryFolder} from '../helpers/golden.js'

/** Trains for an epoch on the golden data root, so that there is a run to look at. */
async function trainedRun(t: ExecutionContext, dataRoot: string, lr: string): Promise<string> {
  const run = join(await temporaryFolder(t), 'run')
  const model = [
    '--config',
    join(golden, 'config.json'),
    '--from-pretrained',
    join(golden, 'weights.pdparams'),
  ]
  const limits = ['--batch-size', '8', '--epochs', '1', '--lr', lr]
  const {exitCode, stderr} = await runCli([
    'train',
    ...model,
    ...limits,
    ...['--data-root', dataRoot, '--output-dir', run],
  ])
  t.is(exitCode, 0, stderr)
  return run
}

async function report(t: ExecutionContext, run: string, ...more: string[]) {
  const outcome = await runCli(['report', run, '--json', ...more])
  t.is(outcome.exitCode, 0, outcome.stderr + outcome.stdout)
  return jsonOf(outcome) as {readonly splits: readonly {readonly split: string; readonly accuracy: object}[]}
}

test('a report runs the model once, then again for another checkpoint or a result file that was changed', async (t) => {
  const dataRoot = await goldenDataRoot(t)
  const run = await trainedRun(t, dataRoot, '1e-3')
  const results = join(run, 'eval', 'val.json')
  const evaluatedAt = async (): Promise<string> => await readFile(join(run, 'eval', 'val.key.json'), 'utf8')

  const first = await report(t, run)
  t.deepEqual(
    first.splits.map(({split}) => split),
    ['val', 'testA', 'testB'],
  )
  const rows = await readFile(results, 'utf8')
  const key = await evaluatedAt()

  t.deepEqual(await report(t, run), first)
  t.is(await evaluatedAt(), key)

  await writeFile(results, rows.replace('"IOU"', ' "IOU"'))
  t.deepEqual(await report(t, run, '--split', 'val'), {...first, splits: first.splits.slice(0, 1)})
  t.is(await readFile(results, 'utf8'), rows)

  const weights = join(run, 'best.pdparams')
  await utimes(weights, 1, 1)
  const sameContent = await evaluatedAt()
  await report(t, run, '--split', 'val')
  t.is(await evaluatedAt(), sameContent)

  const other = await trainedRun(t, dataRoot, '2e-3')
  for (const name of ['best.pdparams', 'best.json']) {
    await writeFile(join(run, name), await readFile(join(other, name)))
  }
  await report(t, run, '--split', 'val')
  t.not(await evaluatedAt(), sameContent)
  t.not(await readFile(results, 'utf8'), rows)
})

test('what is no run, no split to look at, or no file of these data is said in a sentence', async (t) => {
  const dataRoot = await goldenDataRoot(t)
  const folder = await temporaryFolder(t)
  const results = join(folder, 'rows.json')
  const fails = async (args: readonly string[], exitCode: number, message: RegExp): Promise<void> => {
    const outcome = await runCli(args)
    t.is(outcome.exitCode, exitCode, outcome.stderr)
    t.regex(outcome.stderr, message)
    t.is(outcome.stdout, '')
  }
  const data = ['--data-root', dataRoot]
  const compare = ['compare', results, results, ...data]
  await fails(['report', folder, ...data], 4, /has no best\.pdparams and no last\.pdparams/)
  await fails(['report', join(folder, 'nowhere'), ...data], 4, /nowhere is not a folder/)
  await fails(['report', folder], 3, /Nothing says where the data are/)
  await writeFile(join(folder, 'best.pdparams'), 'not read')
  await fails(['report', folder, '--split', 'train', ...data], 3, /annotated boxes among the proposals/)
  await fails(['report', folder, '--split', 'testC', ...data], 4, /split "testC" .* has no refs/)
  await writeFile(join(folder, 'eval'), 'in the way')
  await fails(['report', folder, ...data], 4, /The folder .*eval cannot be made \(EEXIST\)/)
  await fails(compare, 4, /rows\.json is not a result file: it cannot be read \(ENOENT\)/)
  await writeFile(results, '[{"id": 1, "target": -1, "IOU": 0}]')
  await fails(compare, 4, /is not a result file: row 0, target: /)
  await writeFile(results, '[{"id": 1, "target": 0, "IOU": 0}]')
  await fails(compare, 4, /does not belong to these data: it has 1 rows without sent_id, the split val 10/)
  await writeFile(results, '[{"id": 1, "target": 0, "IOU": 0, "sent_id": 123456}]')
  await fails(compare, 4, /row 0 is of no sentence of the split val/)
})

test('result files of eval can be compared without a run, and equal ones do not differ', async (t) => {
  const dataRoot = await goldenDataRoot(t)
  const results = join(await temporaryFolder(t), 'rows.json')
  const model = [
    '--config',
    join(golden, 'config.json'),
    '--from-pretrained',
    join(golden, 'weights.pdparams'),
  ]
  const evaluated = await runCli([
    'eval',
    ...model,
    '--data-root',
    dataRoot,
    '--split',
    'val',
    '--results',
    results,
  ])
  t.is(evaluated.exitCode, 0, evaluated.stderr)
  const nowhere = await runCli([
    'compare',
    results,
    results,
    '--data-root',
    dataRoot,
    '--html',
    '/nowhere/at/all.html',
  ])
  t.is(nowhere.exitCode, 4)
  t.regex(nowhere.stderr, /The file \/nowhere\/at\/all\.html cannot be written \(ENOENT\)/)
  const compared = await runCli(['compare', results, results, '--data-root', dataRoot, '--json'])
  t.like(jsonOf(compared), {
    schema: 'vilbert-ts/compare@1',
    sentences: 10,
    difference: {value: 0, low: 0, high: 0},
    bothRight: 1,
    bothWrong: 9,
    mcnemarP: 1,
    changes: [],
    html: null,
  })
})
