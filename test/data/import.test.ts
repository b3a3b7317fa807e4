import {readdir, readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {setTimeout as delay} from 'node:timers/promises'
import test, {type ExecutionContext} from 'ava'
import {execa} from 'execa'
import {finished, jsonOf, runCli, startCli} from '../helpers/cli.js'
import {golden, temporaryFolder} from '../helpers/golden.js'
import {python, pythonFixtures} from '../helpers/python.js'

type Rows = readonly {readonly id: number; readonly target: number}[]

for (const [title, annotations, features] of [
  ['JSON Lines and a TSV', 'own.jsonl', '.tsv'],
  ['COCO JSON and safetensors', 'own.json', ''],
] as const) {
  test(`the golden data as ${title} give the regions that the published code chose`, async (t) => {
    const folder = await ownData(t)
    const root = join(folder, 'root')
    const imported = await succeeding(t, [
      ...['data', 'import', '--annotations', join(folder, annotations), '--output', root],
      ...['--features', join(folder, `detected${features}`)],
      ...['--annotated-features', join(folder, `annotated${features}`)],
    ])
    t.like(imported, {images: 12, splits: {train: {refs: 31, expressions: 58, images: 8}}})
    const expected = JSON.parse(await readFile(join(golden, 'expected/eval.json'), 'utf8')) as Record<
      string,
      {accuracy: number; rows: Rows}
    >
    for (const split of ['train', 'val']) {
      const results = join(folder, 'results.json')
      const measured = await succeeding(t, [
        ...['eval', '--python', python, '--data-root', root, '--dataset', 'own', '--split', split],
        ...['--config', join(golden, 'config.json'), '--results', results],
        ...['--from-pretrained', join(golden, 'weights.pdparams')],
      ])
      t.like(measured, {accuracy: expected[split]?.accuracy})
      const rows = JSON.parse(await readFile(results, 'utf8')) as Rows
      t.deepEqual(
        rows.map(({id, target}) => [id, target]),
        expected[split]?.rows.map(({id, target}) => [id, target]),
      )
    }
  })
}

test('the .npy files of the 12-in-1 extractor give the same stores as safetensors, also as float16', async (t) => {
  const folder = await ownData(t)
  const stores = ['detected.safetensors', 'annotated.safetensors']
  for (const [name, ending] of [
    ['npy', '-npy'],
    ['plain', ''],
  ] as const) {
    await succeeding(t, [
      ...importing(folder, join(folder, name), join(folder, `detected${ending}`)),
      ...['--annotated-features', join(folder, `annotated${ending}`)],
    ])
  }
  for (const store of stores) {
    const [npy, plain] = await Promise.all(
      ['npy', 'plain'].map(async (name) => readFile(join(folder, name, 'own', store))),
    )
    t.true(npy?.equals(plain ?? Buffer.alloc(0)))
  }
  const packing = [
    'data',
    'pack',
    '--data-root',
    join(folder, 'npy'),
    '--dataset',
    'own',
    '--dtype',
    'float16',
  ]
  const packed = (await succeeding(t, packing)) as {stores: {file: string; images: number}[]}
  t.deepEqual(
    packed.stores.map(({images}) => images),
    [12, 12],
  )
  const half = (await readFile(packed.stores[0]?.file ?? '')).length
  t.true(half < 0.51 * (await readFile(join(folder, 'npy', 'own', 'detected.safetensors'))).length)
})

test('refer show and mask know imported data: COCO JSON keeps the outlines, JSON Lines have none', async (t) => {
  const folder = await ownData(t)
  const root = join(folder, 'root')
  const coco = ['data', 'import', '--annotations', join(folder, 'own.json'), '-o', root]
  await succeeding(t, [...coco, '--features', join(folder, 'detected')])
  const own = ['--data-root', root, '--dataset', 'own']
  const ref = (await succeeding(t, ['refer', 'show', '3', ...own])) as {
    box: number[]
    image: {id: number}
    sentences: {text: string}[]
  }
  t.deepEqual(
    ref.box.map((side) => Number(side.toFixed(2))),
    [469.57, 169.58, 594.77, 323.99],
  )
  t.deepEqual(ref.sentences, [{sentId: 5, text: 'green umbrella'}] as object[] as typeof ref.sentences)
  const instances = JSON.parse(await readFile(join(root, 'own', 'instances.json'), 'utf8')) as {
    annotations: {id: number; segmentation: unknown}[]
  }
  t.is(instances.annotations.length, 42)
  const original = JSON.parse(await readFile(join(folder, 'own.json'), 'utf8')) as typeof instances
  t.deepEqual(
    instances.annotations.find(({id}) => id === 4)?.segmentation,
    original.annotations.find(({id}) => id === 3)?.segmentation,
  )
  const lines = join(folder, 'lines')
  await succeeding(t, importing(folder, lines))
  const failed = await runCli(['refer', 'mask', '3', '--data-root', lines, '--dataset', 'own', '--json'])
  t.is(failed.exitCode, 4, failed.stdout)
  t.like(jsonOf(failed), {error: {code: 'E_NO_MASK'}})
})

test('.npy files with anything else in them are refused in a sentence, and nothing of them is run', async (t) => {
  const folder = await ownData(t)
  const bad = await temporaryFolder(t)
  await execa(python, [join(pythonFixtures, 'bad_npy.py'), join(folder, 'detected-npy'), bad])
  const names = await readdir(bad)
  t.is(names.length, 9)
  for (const name of names) {
    const features = join(bad, name)
    const before = await readdir(features)
    const failed = await runCli([...importing(folder, join(folder, 'root'), features), '--json'])
    t.is(failed.exitCode, 4, `${name}: ${failed.stdout}`)
    const {error} = jsonOf(failed) as {error: {message: string}}
    t.regex(error.message, /\.npy: /, name)
    t.log(name, error.message.replace(/^.*\.npy: /, ''))
    t.deepEqual(await readdir(features), before)
  }
})

test('own data without features of annotated boxes are counted, trained on and asked', async (t) => {
  const folder = await ownData(t)
  const root = join(folder, 'root')
  await succeeding(t, importing(folder, root))
  const data = ['--data-root', root, '--dataset', 'own']
  const stats = (await succeeding(t, ['data', 'stats', ...data])) as {splits: {sentences: number}[]}
  t.deepEqual(
    stats.splits.map(({sentences}) => sentences),
    [58, 10, 0, 4, 6],
  )
  const trained = await succeeding(t, [
    ...['train', '--python', python, ...data, '--set', 'model=tiny', '--epochs', '1', '--batch-size', '8'],
    ...['--limit', '16', '--output-dir', join(folder, 'run')],
  ])
  t.like(trained, {steps: 2})
})

test('every faulty row is listed with its line, exit 4, and nothing is written', async (t) => {
  const folder = await ownData(t)
  const file = join(folder, 'own.jsonl')
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n')
  const row = JSON.parse(lines[0] ?? '') as object
  const faulty = (change: object): string => JSON.stringify({...row, ...change})
  lines[1] = '{"image": '
  lines[2] = faulty({box: [10, 10, 5, 20]})
  lines[3] = faulty({split: 'dev', phrase: ' '})
  lines[4] = faulty({width: 1.5})
  lines[5] = faulty({image: 'nowhere.jpg'})
  lines[6] = faulty({box: [0, 0, 1e5, 20]})
  lines[7] = '[]'
  lines[8] = faulty({height: 7000})
  await writeFile(file, `${lines.join('\n')}\n`)
  const root = join(folder, 'root')
  const failed = await runCli([...importing(folder, root), '--json'])
  t.is(failed.exitCode, 4, failed.stdout)
  const {message, code} = (jsonOf(failed) as {error: {message: string; code: string}}).error
  t.is(code, 'E_IMPORT_ROWS')
  for (const text of [
    'has 9 problems',
    'line 2: ',
    'line 3: box [10, 10, 5, 20] (xyxy) has no area',
    'line 4: phrase is " ", it must be text',
    'line 4: split is "dev", it must be train, val, test, testA, testB',
    'line 5: width is 1.5',
    'line 6: image "nowhere.jpg" has no features',
    'line 7: box [0, 0, 100000, 20] (xyxy) is outside of its image',
    'line 8: this is not a JSON object',
    'line 9: image ',
  ]) {
    t.true(message.includes(text), `${text} in ${message}`)
  }
  await t.throwsAsync(readdir(root), {code: 'ENOENT'})
})

test('boxes may be corner and size, and a data set is replaced only with --force', async (t) => {
  const folder = await ownData(t)
  const file = join(folder, 'own.jsonl')
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n')
  const asSizes = lines.map((line) => {
    const row = JSON.parse(line) as {box: [number, number, number, number]}
    const [x1, y1, x2, y2] = row.box
    return JSON.stringify({...row, box: [x1, y1, x2 - x1, y2 - y1]})
  })
  const root = join(folder, 'root')
  const boxes = async (): Promise<number[][]> => {
    const text = await readFile(join(root, 'own', 'expressions.json'), 'utf8')
    const {refs} = JSON.parse(text) as {refs: {box: number[]}[]}
    return refs.map(({box}) => box.map((side) => Number(side.toFixed(6))))
  }
  await succeeding(t, importing(folder, root))
  const first = await boxes()
  await writeFile(file, asSizes.join('\n'))
  const refused = await runCli([...importing(folder, root), '--boxes', 'xywh'])
  t.is(refused.exitCode, 4)
  await succeeding(t, [...importing(folder, root), '--boxes', 'xywh', '--force'])
  t.deepEqual(await boxes(), first)
  t.deepEqual(await readdir(root), ['own'])
})

test('features that are cut, missing or of another width are refused in a sentence, exit 4', async (t) => {
  const folder = await ownData(t)
  const table = await readFile(join(folder, 'detected.tsv'), 'latin1')
  const cases: [string, string, string][] = [
    [await temporaryFolder(t), 'no .safetensors or .npy files', 'E_FEATURES'],
    [join(folder, 'nothing.tsv'), 'do not exist', 'E_MISSING_FILE'],
  ]
  for (const [name, text] of [
    ['cut.tsv', table.slice(0, -100)],
    ['twice.tsv', `${table}${table}`],
    ['columns.tsv', table.replaceAll(/\t[^\t]+$/gm, '')],
  ] as const) {
    await writeFile(join(folder, name), text, 'latin1')
    cases.push([join(folder, name), 'line ', 'E_FEATURES'])
  }
  for (const [features, says, code] of cases) {
    const root = join(folder, 'root')
    const failed = await runCli([...importing(folder, root, features), '--json'])
    t.is(failed.exitCode, 4, failed.stdout)
    const {error} = jsonOf(failed) as {error: {message: string; code: string}}
    t.is(error.code, code)
    t.true(error.message.includes(says), error.message)
    t.deepEqual(await readdir(root).catch(() => []), [])
  }
})

test('an imported data set that was cut later is refused', async (t) => {
  const folder = await ownData(t)
  const root = join(folder, 'root')
  await succeeding(t, importing(folder, root))
  await writeFile(join(root, 'own', 'detected.safetensors'), 'x')
  const failed = await runCli(['data', 'stats', '--data-root', root, '--dataset', 'own', '--json'])
  t.is(failed.exitCode, 4)
  t.like(jsonOf(failed), {error: {code: 'E_IMPORT'}})
})

test('what a killed import left goes with the next one', async (t) => {
  const folder = await ownData(t)
  const root = join(folder, 'root')
  const killed = startCli(importing(folder, root))
  while ((await readdir(root).catch(() => [])).length === 0) await delay(1)
  killed.kill('SIGKILL')
  await finished(killed)
  const [left] = await readdir(root)
  t.regex(left ?? '', /^\.own\./)
  await succeeding(t, importing(folder, root))
  t.deepEqual(await readdir(root), ['own'])
})

/** The golden data in every form that can be imported. */
async function ownData(t: ExecutionContext): Promise<string> {
  const folder = await temporaryFolder(t)
  await execa(python, [join(pythonFixtures, 'export_own.py'), join(golden, 'data-root'), folder])
  return folder
}

function importing(folder: string, root: string, features = join(folder, 'detected.tsv')): string[] {
  return ['data', 'import', '--annotations', join(folder, 'own.jsonl'), '--features', features, '-o', root]
}

async function succeeding(t: ExecutionContext, args: readonly string[]): Promise<object> {
  const run = await runCli([...args, '--json'], {timeoutMs: 110_000})
  t.is(run.exitCode, 0, run.stdout + run.stderr)
  return jsonOf(run) as object
}
