import {readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import test, {type ExecutionContext} from 'ava'
import {execa} from 'execa'
import {distribution} from '../../src/data/distribution.js'
import {findLeaks} from '../../src/data/leaks.js'
import type {DataStats} from '../../src/data/stats.js'
import {jsonOf, runCli} from '../helpers/cli.js'
import {goldenDataRoot, temporaryFolder} from '../helpers/golden.js'
import {madeWorld} from '../helpers/made-world.js'
import {python, pythonFixtures} from '../helpers/python.js'

test('the golden data are counted as another program counts them', async (t) => {
  const stats = await checkAgainstRecount(t, await goldenDataRoot(t), 'refcoco+', 'unc')
  t.deepEqual(
    stats.splits.map(({split, refs, sentences, images}) => [split, refs, sentences, images]),
    [
      ['train', 31, 58, 8],
      ['val', 6, 10, 2],
      ['testA', 2, 4, 1],
      ['testB', 3, 6, 1],
    ],
  )
  t.deepEqual(stats.leaks, [])
})

for (const [dataset, splitBy] of [
  ['refcoco', 'unc'],
  ['refcoco+', 'unc'],
  ['refcocog', 'umd'],
] as const) {
  test(`a made ${dataset} (${splitBy}) is counted as another program counts it`, async (t) => {
    const stats = await checkAgainstRecount(t, await madeWorld(t, dataset, 30), dataset, splitBy)
    t.true(stats.splits.every(({refs}) => refs > 0))
  })
}

test('an image and a sentence that two splits share are leaks', async (t) => {
  const dataRoot = await goldenDataRoot(t)
  const refsFile = join(dataRoot, 'refcoco+', 'refs(unc).p')
  await moveFirstRef(refsFile, dataRoot)
  const stats = await checkAgainstRecount(t, dataRoot, 'refcoco+', 'unc')
  t.deepEqual(
    stats.leaks.map(({splits}) => splits),
    [['train', 'val']],
  )
  t.is(stats.leaks[0]?.images, 1)
  const shown = await runCli(['data', 'stats', '--data-root', dataRoot])
  t.true(shown.stdout.includes('leak: train and val share 1 image;'), shown.stdout)
})

test('leaks name the images and the sentences, whatever their case and spaces', (t) => {
  const ref = (split: string, imageId: number, text: string) => ({
    ...{refId: 0, annId: 0, imageId, categoryId: 1, split, box: [0, 0, 1, 1] as const},
    sentences: [{sentId: 0, text}],
  })
  const refs = [ref('train', 7, 'Red  cup'), ref('val', 7, 'red cup '), ref('val', 8, 'red cup')]
  t.deepEqual(findLeaks(['train', 'val', 'test'], refs), [
    {
      splits: ['train', 'val'],
      images: 1,
      imageIds: [7],
      sentences: 1,
      examples: [{imageId: 7, text: 'red cup'}],
    },
  ])
})

test('bins have no gap, and no value has no bins', (t) => {
  t.deepEqual(distribution([1, 4, 4, 2], 2), {
    ...{count: 4, mean: 2.75, min: 1, median: 2, max: 4},
    bins: [
      {from: 0, to: 2, count: 1},
      {from: 2, to: 4, count: 1},
      {from: 4, to: 6, count: 2},
    ],
  })
  t.deepEqual(distribution([], 1), {count: 0, mean: 0, min: 0, median: 0, max: 0, bins: []})
})

test('the page stands alone, follows dark mode, and labels its axes with units', async (t) => {
  const dataRoot = await goldenDataRoot(t)
  const refsFile = join(dataRoot, 'refcoco+', 'instances.json')
  const instances = await readFile(refsFile, 'utf8')
  await writeFile(
    refsFile,
    instances.replaceAll('"name": "', '"name": "<script>').replaceAll('"name":"', '"name":"<script>'),
  )
  const page = join(await temporaryFolder(t), 'stats.html')
  const {exitCode, stdout} = await runCli(['data', 'stats', '--data-root', dataRoot, '--html', page])
  t.is(exitCode, 0)
  t.true(stdout.includes('refcoco+ (unc)'))
  const html = await readFile(page, 'utf8')
  t.notRegex(html, /<script|https?:|src=|@import|url\(/)
  t.regex(html, /&#60;script&#62;/)
  t.true(html.includes('prefers-color-scheme:dark'))
  t.is(html.match(/<svg /g)?.length, 16)
  for (const label of ['length (words)', 'sentences (count)', 'area (% of the image)', 'images (count)']) {
    t.true(html.includes(`>${label}</text>`), label)
  }
})

test('a page that cannot be written and a data root that is missing are said in a sentence, exit 4', async (t) => {
  const dataRoot = await goldenDataRoot(t)
  const failed = await runCli([
    'data',
    'stats',
    '--data-root',
    dataRoot,
    '--html',
    '/nowhere/x.html',
    '--json',
  ])
  t.is(failed.exitCode, 4)
  t.like(jsonOf(failed), {error: {code: 'E_OUTPUT'}})
  const missing = await runCli(['data', 'stats', '--data-root', '/nowhere', '--json'])
  t.is(missing.exitCode, 4)
  t.like(jsonOf(missing), {error: {code: 'E_MISSING_FILE'}})
})

type Counted = {
  readonly splits: Record<string, Record<string, unknown>>
  readonly leaks: Record<string, [number, number]>
  readonly categories: Record<string, number>
}

/** Runs `data stats` and holds every figure against a recount in Python. */
async function checkAgainstRecount(
  t: ExecutionContext,
  dataRoot: string,
  dataset: string,
  splitBy: string,
): Promise<DataStats> {
  const run = await runCli(['data', 'stats', '--data-root', dataRoot, '--dataset', dataset, '--json'])
  t.is(run.exitCode, 0, run.stdout)
  const stats = jsonOf(run) as DataStats
  const recount = await execa(python, [join(pythonFixtures, 'recount.py'), dataRoot, dataset, splitBy])
  const expected = JSON.parse(recount.stdout) as Counted
  const filled = stats.splits.filter(({refs}) => refs > 0)
  t.deepEqual(filled.map(({split}) => split).sort(), Object.keys(expected.splits))
  for (const {split, ...figures} of filled) {
    t.deepEqual(rounded(withoutEmptyBins(figures)), rounded(expected.splits[split]))
  }
  t.deepEqual(
    stats.leaks.map(({splits, images, sentences}) => [splits.toSorted().join(' '), [images, sentences]]),
    Object.entries(expected.leaks),
  )
  const categories = stats.categories.map(({id, name, refs}): [string, number] => [`${id} ${name}`, refs])
  t.deepEqual(Object.fromEntries(categories), expected.categories)
  return stats
}

/** Bins as the recount writes them: by their beginning, those that are empty left out. */
function withoutEmptyBins(figures: unknown): unknown {
  return JSON.parse(JSON.stringify(figures), (key, value: unknown) => {
    if (key !== 'bins') return value
    const bins = value as {from: number; count: number}[]
    return Object.fromEntries(bins.filter(({count}) => count > 0).map(({from, count}) => [`${from}`, count]))
  }) as unknown
}

/** Sums in another order differ in the last digit. */
function rounded(figures: unknown): unknown {
  return JSON.parse(JSON.stringify(figures), (_, value: unknown) =>
    typeof value === 'number' ? Number(value.toPrecision(12)) : value,
  ) as unknown
}

/** Gives the first ref of the training split to val, by Python: the refs file is a pickle. */
async function moveFirstRef(refsFile: string, cwd: string): Promise<void> {
  const program = [
    'import pickle, sys',
    'refs = pickle.load(open(sys.argv[1], "rb"), encoding="latin1")',
    'next(ref for ref in refs if ref["split"] == "train")["split"] = "val"',
    'pickle.dump(refs, open(sys.argv[1], "wb"), protocol=2)',
  ]
  await execa(python, ['-c', program.join('\n'), refsFile], {cwd})
}
