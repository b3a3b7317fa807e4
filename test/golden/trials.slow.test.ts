import test from 'ava'
import {learningRatesSchema, type LearningRates} from '../../src/model/trials.js'
import {jsonOf} from '../helpers/cli.js'
import {goldenDataRoot} from '../helpers/golden.js'
import {trainOnGolden} from '../helpers/train-on-golden.js'

test('two processes plan, and find the rates of one', async (t) => {
  const dataRoot = await goldenDataRoot(t)
  const find = async (nproc: string): Promise<LearningRates> => {
    const found = await trainOnGolden(dataRoot, undefined, [
      '--lr-find',
      '--lr-find-steps',
      '12',
      '--nproc',
      nproc,
      '--json',
    ])
    t.is(found.exitCode, 0, found.stdout + found.stderr)
    return learningRatesSchema.parse(jsonOf(found))
  }
  const [one, two] = [await find('1'), await find('2')]
  t.is(one.points.length, two.points.length)
  for (const [index, {loss}] of two.points.entries())
    t.true(Math.abs(loss / (one.points[index]?.loss ?? NaN) - 1) < 1e-3, `step ${index + 1}`)
  const plan = await trainOnGolden(dataRoot, undefined, ['--dry-run', '--nproc', '2', '--json'])
  t.like(jsonOf(plan), {processes: 2, stepsPerEpoch: 8})
})
