import {createHash} from 'node:crypto'
import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import test from 'ava'
import {runCli} from '../helpers/cli.js'
import {golden, goldenDataRoot} from '../helpers/golden.js'
import {trainThroughKills} from '../helpers/killed-training.js'

test('a run that was killed in every way and resumed ends bit-equal to one that was not', async (t) => {
  const dataRoot = await goldenDataRoot(t)
  const args = [
    ...['--data-root', dataRoot, '--config', join(golden, 'config.json')],
    ...['--from-pretrained', join(golden, 'weights.pdparams'), '--epochs', '8', '--batch-size', '8'],
    ...['--decay-epochs', '4,6', '--save-every-steps', '3', '--ema', '0.9', '--grad-accumulation', '2'],
  ]
  const straight = join(dataRoot, 'straight')
  const outcome = await runCli(['train', ...args, '--output-dir', straight, '--json'])
  t.is(outcome.exitCode, 0, outcome.stdout + outcome.stderr)
  const broken = join(dataRoot, 'broken')
  const ends = await trainThroughKills({
    args: [...args, '--output-dir', broken],
    runFolder: broken,
    kills: 4,
    seed: 1,
  })
  t.log(ends)
  t.is(await digest(join(broken, 'last.pdparams')), await digest(join(straight, 'last.pdparams')))
  t.deepEqual(await stepsOf(broken), await stepsOf(straight))
})

test('--resume of a folder without a run names the folder and exits with 4', async (t) => {
  const dataRoot = await goldenDataRoot(t)
  const outcome = await runCli(['train', '--resume', dataRoot])
  t.is(outcome.exitCode, 4)
  t.regex(outcome.stderr, /is not the folder of a training run/)
})

async function digest(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex')
}

/** Every logged step, and the accuracies of the epochs (their durations differ). */
async function stepsOf(run: string): Promise<unknown[]> {
  const lines = (await readFile(join(run, 'metrics.jsonl'), 'utf8')).trim().split('\n')
  return lines.map((line) => ({...(JSON.parse(line) as object), seconds: null}))
}
