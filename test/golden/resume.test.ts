import test from 'ava'
import {runCli} from '../helpers/cli.js'
import {goldenDataRoot} from '../helpers/golden.js'
import {assertResumesBitEqual} from '../helpers/killed-training.js'

test('a run that was killed in every way and resumed ends bit-equal to one that was not', async (t) => {
  await assertResumesBitEqual(t, {
    kills: 4,
    seed: 1,
    epochs: 8,
    args: ['--ema', '0.9', '--grad-accumulation', '2'],
  })
})

test('--resume of a folder without a run names the folder and exits with 4', async (t) => {
  const dataRoot = await goldenDataRoot(t)
  const outcome = await runCli(['train', '--resume', dataRoot])
  t.is(outcome.exitCode, 4)
  t.regex(outcome.stderr, /is not the folder of a training run/)
})
