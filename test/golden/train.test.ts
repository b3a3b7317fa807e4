import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import test from 'ava'
import {z} from 'zod'
import {FileSource} from '../../src/formats/byte-source.js'
import {readModelFile} from '../../src/formats/pdparams.js'
import {tensorPieces} from '../../src/formats/stored-tensor.js'
import {trainResultSchema} from '../../src/model/events.js'
import {jsonOf, runCli} from '../helpers/cli.js'
import {golden, goldenDataRoot} from '../helpers/golden.js'

const expectedSchema = z.object({
  epochs: z.number(),
  batch_size: z.number(),
  steps: z.array(z.tuple([z.number(), z.number(), z.number()])),
  final_sum_abssum: z.record(z.string(), z.tuple([z.number(), z.number()])),
})
const stepSchema = z.object({
  type: z.literal('step'),
  step: z.number(),
  epoch: z.number(),
  loss: z.number(),
  lr: z.object({body: z.number(), head: z.number()}),
})

test('three epochs of training follow the published code step by step, and end at its weights', async (t) => {
  const expected = expectedSchema.parse(
    JSON.parse(await readFile(join(golden, 'expected/train.json'), 'utf8')),
  )
  const dataRoot = await goldenDataRoot(t)
  const run = join(dataRoot, 'run')
  const outcome = await runCli([
    ...['train', '--data-root', dataRoot, '--config', join(golden, 'config.json')],
    ...['--from-pretrained', join(golden, 'weights.pdparams'), '--output-dir', run, '--epochs', '3'],
    ...['--batch-size', `${expected.batch_size}`, '--decay-epochs', '1,2', '--dropout', '0'],
    ...['--no-shuffle', '--json'],
  ])
  t.is(outcome.exitCode, 0, outcome.stdout + outcome.stderr)
  const result = trainResultSchema.parse(jsonOf(outcome))
  t.like(result, {steps: expected.steps.length, epochs: expected.epochs})
  t.true(result.secondsWaiting > 0 && result.secondsWaiting < result.secondsTotal)

  const lines = (await readFile(join(run, 'metrics.jsonl'), 'utf8')).trim().split('\n')
  const events = lines.map((line) => JSON.parse(line) as {type: string})
  const steps = events.filter(({type}) => type === 'step').map((event) => stepSchema.parse(event))
  t.is(steps.length, expected.steps.length)
  for (const [index, [loss, body, head]] of expected.steps.entries()) {
    const step = steps[index]
    if (step === undefined) throw new Error(`no step ${index}`)
    t.is(step.step, index + 1)
    t.true(relative(step.loss, loss) < 1e-3, `loss of step ${step.step}: ${step.loss} for ${loss}`)
    t.true(relative(step.lr.body, body) < 1e-9)
    t.true(relative(step.lr.head, head) < 1e-9)
  }
  t.is(events.filter(({type}) => type === 'epoch').length, expected.epochs)

  const sums = sumsOf(join(run, 'last.pdparams'))
  t.deepEqual([...sums.keys()].sort(), Object.keys(expected.final_sum_abssum).sort())
  for (const [name, [sum, absoluteSum]] of Object.entries(expected.final_sum_abssum)) {
    const difference = Math.abs((sums.get(name) ?? NaN) - sum)
    t.true(difference <= 1e-3 * absoluteSum, `${name}: off by ${difference} of ${absoluteSum}`)
  }
})

function relative(found: number, wanted: number): number {
  return Math.abs(found - wanted) / Math.abs(wanted)
}

/** The sum of each tensor's numbers, read by our own inert reader. */
function sumsOf(checkpoint: string): Map<string, number> {
  using source = new FileSource(checkpoint)
  const sums = new Map<string, number>()
  for (const tensor of readModelFile(source).tensors) {
    let sum = 0
    for (const piece of tensorPieces(source, tensor)) {
      const view = new DataView(piece.buffer, piece.byteOffset, piece.byteLength)
      for (let at = 0; at < piece.byteLength; at += 4) sum += view.getFloat32(at, true)
    }
    sums.set(tensor.name, sum)
  }
  return sums
}
