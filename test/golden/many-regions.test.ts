import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import test, {type ExecutionContext} from 'ava'
import {z} from 'zod'
import {jsonOf, runCli} from '../helpers/cli.js'
import {damageData, makeWorkplace, type Workplace} from '../helpers/damage.js'

const rowsSchema = z.array(z.object({target: z.number(), logits: z.array(z.number())}))
const rankedSchema = z.object({regions: z.array(z.object({index: z.number()}))})

test.serial('of more than 100 regions the first 100 count, and eval and predict work', async (t) => {
  const place = await makeWorkplace(t)
  await damageData('with_regions', place.detected, '150', '1')
  const rows = await evaluated(t, place, 'val')
  t.is(rows.length, 10)
  for (const {target, logits} of rows) t.true(logits.length === 100 && target < 100)
  const question = ['--image', '1042', '--phrase', 'red giraffe', '--top-k', '500', '--json']
  const asked = await runCli(['predict', ...modelAndData(place), ...question])
  t.is(asked.exitCode, 0, asked.stdout)
  const {regions} = rankedSchema.parse(jsonOf(asked))
  t.deepEqual(
    regions.map(({index}) => index).sort((a, b) => a - b),
    Array.from({length: 100}, (_, index) => index),
  )
})

test.serial(
  'in train the detected regions come first, and annotated ones fill what is left of 100',
  async (t) => {
    const place = await makeWorkplace(t)
    await damageData('with_regions', place.detected, '97', '1')
    await damageData('with_regions', place.annotated, '60', '2')
    const some = await evaluated(t, place, 'train')
    // What is annotated matters while two of the 100 are left for it, and no more once the detected take all.
    await damageData('with_regions', place.annotated, '60', '3')
    const others = await evaluated(t, place, 'train')
    await damageData('with_regions', place.detected, '120', '1')
    const cut = await evaluated(t, place, 'train')
    await damageData('with_regions', place.annotated, '60', '2')
    t.deepEqual(await evaluated(t, place, 'train'), cut)
    for (const rows of [some, others, cut]) for (const {logits} of rows) t.is(logits.length, 100)
    t.notDeepEqual(some, others)
    const run = ['--output-dir', join(place.folder, 'run'), '--epochs', '1', '--batch-size', '8', '--json']
    const trained = await runCli(['train', ...modelAndData(place), ...run])
    t.is(trained.exitCode, 0, trained.stdout)
  },
)

async function evaluated(t: ExecutionContext, place: Workplace, split: string) {
  const results = join(place.folder, 'rows.json')
  const args = ['eval', ...modelAndData(place), '--split', split, '--results', results, '--logits', '--json']
  const outcome = await runCli(args)
  t.is(outcome.exitCode, 0, outcome.stdout)
  return rowsSchema.parse(JSON.parse(await readFile(results, 'utf8')))
}

function modelAndData({dataRoot, config, weights}: Workplace): readonly string[] {
  return ['--data-root', dataRoot, '--config', config, '--from-pretrained', weights]
}
