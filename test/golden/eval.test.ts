import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import test from 'ava'
import {z} from 'zod'
import {jsonOf, runCli} from '../helpers/cli.js'
import {golden, goldenDataRoot} from '../helpers/golden.js'

const rowSchema = z.object({
  id: z.number(),
  target: z.number(),
  IOU: z.number(),
  sent_id: z.number(),
  ref_id: z.number(),
  logits: z.array(z.number()),
})
const expectedSchema = z.record(
  z.string(),
  z.object({
    n: z.number(),
    accuracy: z.number(),
    mean_batch_loss: z.number(),
    batch_size: z.number(),
    rows: z.array(rowSchema),
  }),
)
const figuresSchema = z.object({
  accuracy: z.number(),
  correct: z.number(),
  total: z.number(),
  split: z.string(),
  precision: z.literal('fp32'),
  engine: z.string(),
  meanBatchLoss: z.number(),
  secondsTotal: z.number(),
  expressionsPerSecond: z.number(),
})

const cases = [
  ...['train', 'val', 'testA', 'testB'].map((split) => ({split, engine: 'auto'})),
  {split: 'val', engine: 'exported'},
]

for (const {split, engine} of cases) {
  const by = engine === 'auto' ? '' : ` by the ${engine} engine`
  test(`eval on ${split}${by} gives the figures, regions and logits of the published code`, async (t) => {
    const all = expectedSchema.parse(JSON.parse(await readFile(join(golden, 'expected/eval.json'), 'utf8')))
    const expected = all[split]
    if (expected === undefined) throw new Error(`no expectation for ${split}`)
    const dataRoot = await goldenDataRoot(t)
    const results = join(dataRoot, 'results.json')
    const outcome = await runCli([
      ...['eval', '--data-root', dataRoot, '--config', join(golden, 'config.json')],
      ...['--engine', engine, '--cache-dir', join(dataRoot, 'cache')],
      ...['--from-pretrained', join(golden, 'weights.pdparams'), '--split', split],
      ...['--batch-size', `${expected.batch_size}`, '--results', results, '--logits', '--json'],
    ])
    t.is(outcome.exitCode, 0, outcome.stdout + outcome.stderr)
    const figures = figuresSchema.parse(jsonOf(outcome))
    if (engine !== 'auto') t.is(figures.engine, engine)
    t.is(figures.accuracy, expected.accuracy)
    t.is(figures.total, expected.n)
    t.is(figures.correct, Math.round(expected.accuracy * expected.n))
    t.is(figures.split, split)
    t.true(Math.abs(figures.meanBatchLoss / expected.mean_batch_loss - 1) < 1e-3)

    const rows = z.array(rowSchema).parse(JSON.parse(await readFile(results, 'utf8')))
    t.deepEqual(rows.map(identity), expected.rows.map(identity))
    for (const [index, row] of rows.entries()) {
      const wanted = expected.rows[index]
      if (wanted === undefined) throw new Error(`no row ${index}`)
      t.true(Math.abs(row.IOU - wanted.IOU) < 1e-6)
      t.is(row.logits.length, wanted.logits.length)
      t.true(largestDifference(row.logits, wanted.logits) < 2e-4)
    }
  })
}

/** What must be the same to the letter. */
function identity({id, target, sent_id, ref_id}: z.infer<typeof rowSchema>): number[] {
  return [id, target, sent_id, ref_id]
}

function largestDifference(numbers: readonly number[], others: readonly number[]): number {
  return Math.max(...numbers.map((number, index) => Math.abs(number - (others[index] ?? Infinity))))
}
