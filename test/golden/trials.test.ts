import {existsSync} from 'node:fs'
import {readFile, readdir, stat} from 'node:fs/promises'
import {join} from 'node:path'
import test from 'ava'
import {learningRatesSchema, trainingPlanSchema} from '../../src/model/trials.js'
import {loadConfig} from '../../src/config/load.js'
import {Vilbert} from '../../src/vilbert.js'
import {jsonOf} from '../helpers/cli.js'
import {golden, goldenDataRoot, temporaryFolder} from '../helpers/golden.js'
import {python} from '../helpers/python.js'
import {trainOnGolden} from '../helpers/train-on-golden.js'
import {losses} from '../helpers/two-processes.js'

test('a dry run says what the run then takes, and writes nothing of it', async (t) => {
  const dataRoot = await goldenDataRoot(t)
  const output = join(dataRoot, 'run')
  const settings = ['--epochs', '3', '--save-every-steps', '5', '--keep', '2', '--ema', '0.9']
  const dry = await trainOnGolden(dataRoot, output, [...settings, '--dry-run', '--json'])
  t.is(dry.exitCode, 0, dry.stdout + dry.stderr)
  const plan = trainingPlanSchema.parse(jsonOf(dry))
  t.false(existsSync(output))

  const real = await trainOnGolden(dataRoot, output, [...settings, '--json'])
  t.is(real.exitCode, 0, real.stdout + real.stderr)
  t.like(jsonOf(real), {steps: plan.totalSteps, epochs: plan.validations})
  t.like(plan, {stepsPerEpoch: 8, totalSteps: 24, warmupSteps: 2, validations: 3, processes: 1})
  const states = await readdir(join(output, 'states'))
  t.true(states.length <= Math.round(plan.disk.atEnd / plan.disk.state))
  const sizes = await Promise.all(states.map(async (state) => sizeOf(join(output, 'states', state))))
  for (const size of sizes) t.true(Math.abs(size / plan.disk.state - 1) < 0.05, `${size} bytes in a state`)
  t.true(plan.memory.peak > 1e8 && plan.memory.peak < plan.memory.machine)
  t.true(plan.stepSeconds.least <= plan.stepSeconds.median && plan.stepSeconds.median < 10)
})

test('a dry run speaks plainly, also of what lacks, and needs no output folder', async (t) => {
  const dataRoot = await goldenDataRoot(t)
  const dry = await trainOnGolden(dataRoot, undefined, [
    '--epochs',
    '100000',
    '--time-limit',
    '1',
    '--dry-run',
    '--warmup-fraction',
    '0',
  ])
  t.is(dry.exitCode, 0, dry.stdout + dry.stderr)
  t.regex(
    dry.stdout,
    /^This run would take about \d+ h \d\d min on cpu \(.*\)\. Nothing of it was written\.$/m,
  )
  t.regex(dry.stdout, /^steps +800000, 8 an epoch/m)
  t.regex(dry.stdout, /^disk .* a state, .* at most, .* at the end; .* are free$/m)
  t.regex(dry.stdout, /^--time-limit-minutes 1 ends the run before its last step\.$/m)
})

test('the range test begins as the training does and suggests a rate at which the loss falls', async (t) => {
  const dataRoot = await goldenDataRoot(t)
  const svg = join(dataRoot, 'rates.svg')
  const output = join(dataRoot, 'run')
  const found = await trainOnGolden(dataRoot, output, [
    '--lr-find',
    '--lr-find-steps',
    '60',
    '--svg',
    svg,
    '--json',
  ])
  t.is(found.exitCode, 0, found.stdout + found.stderr)
  const rates = learningRatesSchema.parse(jsonOf(found))
  t.false(existsSync(output))
  t.regex(await readFile(svg, 'utf8'), /^<svg [^]*polyline[^]*<\/svg>\n$/)

  const ratios = rates.points.slice(1).map(({lr}, index) => lr / (rates.points[index]?.lr ?? NaN))
  for (const ratio of ratios) t.true(Math.abs(ratio - 10 ** (7 / 59)) < 1e-6)
  t.true(rates.diverged || rates.points.length === 60)
  const lowest = rates.points.reduce((best, next) => (next.smoothedLoss < best.smoothedLoss ? next : best))
  t.is(rates.lowest, lowest.lr)
  t.true((rates.suggested ?? NaN) <= lowest.lr / 10 && (rates.suggested ?? NaN) > 1e-6)

  const real = await trainOnGolden(dataRoot, output, ['--max-steps', '2', '--json'])
  t.is(real.exitCode, 0, real.stdout + real.stderr)
  t.true(Math.abs((rates.points[0]?.loss ?? NaN) - ((await losses(output))[0] ?? NaN)) < 1e-6)
})

test('in the library: a plan of three steps, rates of a range, and a trial that is left ends in order', async (t) => {
  const dataRoot = await goldenDataRoot(t)
  const {model, training} = await loadConfig({file: join(golden, 'config.json'), flags: {'batch-size': 8}})
  const source = {
    model: {config: model, fromPretrained: join(golden, 'weights.pdparams')},
    data: {dataRoot},
    training,
  }
  await using vilbert = await Vilbert.open({python})
  const run = vilbert.planTraining({...source, probeSteps: 3})
  const counts: number[] = []
  for await (const {done} of run) counts.push(done)
  t.deepEqual(counts, [1, 2, 3, 4, 1])
  t.is((await run.result()).stepSeconds.steps, 3)
  for await (const event of vilbert.planTraining(source)) {
    t.is(event.done, 1)
    break
  }
  const range = {first: 1e-5, last: 1e-3, steps: 4}
  const {points, suggested} = await vilbert.findLearningRate({...source, range}).result()
  t.deepEqual(
    points.map(({lr}) => lr.toPrecision(3)),
    ['0.0000100', '0.0000464', '0.000215', '0.00100'],
  )
  t.true(suggested === null || suggested < 1e-3)
})

test('options that make no sense together are refused', async (t) => {
  const folder = await temporaryFolder(t)
  for (const args of [
    ['--dry-run', '--lr-find'],
    ['--dry-run', '--resume', 'last'],
    ['--svg', 'rates.svg'],
    ['--lr-find-steps', '20'],
  ]) {
    const {exitCode} = await trainOnGolden(folder, join(folder, 'run'), args)
    t.is(exitCode, 2, args.join(' '))
  }
})

async function sizeOf(folder: string): Promise<number> {
  const files = await readdir(folder)
  const sizes = await Promise.all(files.map(async (file) => (await stat(join(folder, file))).size))
  return sizes.reduce((sum, size) => sum + size, 0)
}
