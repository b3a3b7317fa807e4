import {join} from 'node:path'
import test from 'ava'
import {readRunFile} from '../../src/run/run-file.js'
import {runCli} from '../helpers/cli.js'
import {golden, goldenDataRoot} from '../helpers/golden.js'
import {assertResumesBitEqual} from '../helpers/killed-training.js'

test('a run that was killed in every way and resumed ends bit-equal to one that was not', async (t) => {
  await assertResumesBitEqual(t, {
    kills: 4,
    seed: 1,
    epochs: 8,
    args: ['--ema', '0.9', '--grad-accumulation', '2'],
  })
})

test('what changes no number may change on the way, and the run notes what else did', async (t) => {
  const dataRoot = await goldenDataRoot(t)
  const output = join(dataRoot, 'run')
  const settings = ['--epochs', '1', '--batch-size', '32', '--decay-epochs', 'none', '--json']
  const source = ['--data-root', dataRoot, '--config', join(golden, 'config.json'), '--output-dir', output]
  const started = await runCli(['train', ...source, ...settings])
  t.is(started.exitCode, 0, started.stderr)
  const resumed = await runCli([
    'train',
    '--resume',
    output,
    '--recompute',
    '--workers',
    '0',
    '--epochs',
    '2',
  ])
  t.is(resumed.exitCode, 0, resumed.stderr)
  t.deepEqual(
    (await readRunFile(output)).resumed.map(({changes}) => changes),
    [['training epochs was 1, is 2']],
  )
})

test('--resume of a folder without a run names the folder and exits with 4', async (t) => {
  const dataRoot = await goldenDataRoot(t)
  const outcome = await runCli(['train', '--resume', dataRoot])
  t.is(outcome.exitCode, 4)
  t.regex(outcome.stderr, /is not the folder of a training run/)
})
