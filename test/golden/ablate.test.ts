import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import test from 'ava'
import {ablations} from '../../src/model/events.js'
import {readResultRows, type ResultRow} from '../../src/report/result-rows.js'
import {Vilbert} from '../../src/vilbert.js'
import {jsonOf, runCli} from '../helpers/cli.js'
import {makeWorkplace, type Workplace} from '../helpers/damage.js'
import {python} from '../helpers/python.js'

test('eval takes away text, image, location or order, the same for the same seed', async (t) => {
  const place = await makeWorkplace(t)
  await using vilbert = await Vilbert.open({python})
  const logits = async (options: object) => {
    const results = join(place.folder, 'rows.json')
    const model = {config: place.config, fromPretrained: place.weights}
    const data = {dataRoot: place.dataRoot}
    const run = vilbert.evaluate({model, data, split: 'train', results, logits: true, ...options})
    const {ablate, total} = await run.result()
    return {ablate, total, rows: (await readResultRows(results)).map((row) => row.logits)}
  }
  const whole = await logits({})
  t.is(whole.ablate, null)
  for (const ablate of ablations) {
    const less = await logits({ablate})
    t.is(less.ablate, ablate)
    t.is(less.total, whole.total)
    t.notDeepEqual(less.rows, whole.rows)
    t.deepEqual(await logits({ablate, ablateSeed: 0}), less)
    t.notDeepEqual((await logits({ablate, ablateSeed: 1})).rows, less.rows)
  }
})

test('eval --exclude leaves sentences out, keeps the others as they were and names unknown ids', async (t) => {
  const place = await makeWorkplace(t)
  const rowsFile = join(place.folder, 'rows.json')
  const whole = [...evalArgs(place), '--results', rowsFile, '--logits', '--json']
  t.like(jsonOf(await runCli(whole)), {excluded: null, total: 10})
  const rows = await readResultRows(rowsFile)
  const [first, second] = rows

  const ids = join(place.folder, 'ids.txt')
  await writeFile(ids, `# wrong boxes\n${first?.sent_id}\n\n987654\n${second?.sent_id}\r\n`)
  const bySentence = await runCli([...whole, '--exclude', ids])
  t.like(jsonOf(bySentence), {total: 8, excluded: {by: 'sent', expressions: 2, unknownIds: [987654]}})
  const kept = await readResultRows(rowsFile)
  const withoutLogits = (row: ResultRow) => ({...row, logits: undefined})
  t.deepEqual(kept.map(withoutLogits), rows.slice(2).map(withoutLogits))
  // A batch of another size may be summed in another order: on a processor without AVX-512 the last bit differs.
  for (const [index, row] of rows.slice(2).entries())
    for (const [region, logit] of row.logits?.entries() ?? [])
      t.true(Math.abs((kept[index]?.logits?.[region] ?? NaN) - logit) < 1e-6)

  await writeFile(ids, `${first?.ref_id}\n`)
  const byRef = await runCli([...evalArgs(place), '--exclude', ids, '--exclude-by', 'ref'])
  const ofRef = rows.filter(({ref_id}) => ref_id === first?.ref_id).length
  t.regex(byRef.stderr, new RegExp(`^Left out ${ofRef} sentences by their ref_id\\.$`, 'm'))
  t.regex(byRef.stdout, new RegExp(`of ${10 - ofRef} sentences`))
})

test('eval --exclude refuses a list with something else in it, and one that leaves nothing', async (t) => {
  const place = await makeWorkplace(t)
  const ids = join(place.folder, 'ids.txt')
  await writeFile(ids, '1\nx7\n')
  const faulty = await runCli([...evalArgs(place), '--exclude', ids])
  t.is(faulty.exitCode, 4)
  t.regex(faulty.stderr, /ids\.txt: line 2 is not an id: "x7"\./)

  const rowsFile = join(place.folder, 'rows.json')
  await runCli([...evalArgs(place), '--results', rowsFile, '--logits'])
  await writeFile(ids, (await readResultRows(rowsFile)).map(({sent_id}) => `${sent_id}\n`).join(''))
  const nothing = await runCli([...evalArgs(place), '--exclude', ids])
  t.is(nothing.exitCode, 4)
  t.regex(nothing.stderr, /leave no expression of split 'val'/)
})

function evalArgs({dataRoot, config, weights}: Workplace): string[] {
  return ['eval', '--data-root', dataRoot, '--config', config, '--from-pretrained', weights]
}
