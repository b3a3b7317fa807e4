import test from 'ava'
import {cpSync, existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'

import type {Expressions} from '../../src/data/expressions.js'
import {prepareData, requireSplit} from '../../src/data/prepare.js'
import type {PreparedData, PrepareOptions} from '../../src/data/prepare.js'
import {DataError, InterruptedError, VilbertError} from '../../src/errors.js'
import {FileSource} from '../../src/formats/byte-source.js'
import {readSafetensors} from '../../src/formats/safetensors.js'
import {packageRoot} from '../../src/paths.js'
import {emptyFolder, hostileFolder} from '../helpers/hostile.js'

const golden = join(packageRoot, 'test', 'fixtures', 'golden')

type GoldenRow = {
  readonly sent_id: number
  readonly ref_id: number
  readonly id: number
  readonly target: number
  readonly IOU: number
}
const goldenEval = JSON.parse(readFileSync(join(golden, 'expected', 'eval.json'), 'utf8')) as Record<
  string,
  {readonly n: number; readonly rows: readonly GoldenRow[]}
>

function copyOfGolden(): string {
  const folder = emptyFolder()
  cpSync(join(golden, 'data-root'), folder, {recursive: true})
  return folder
}

async function prepare(dataRoot: string, options: Partial<PrepareOptions> = {}): Promise<PreparedData> {
  return prepareData({dataRoot, dataset: 'refcoco+', annotated: true, ...options})
}

function readJson(file: string): Expressions {
  return JSON.parse(readFileSync(file, 'utf8')) as Expressions
}

test('the golden data give the counts, rows and overlaps that the published code gave', async (t) => {
  const prepared = await prepare(copyOfGolden())
  t.deepEqual(prepared.splits, {
    train: {refs: 31, expressions: 58, images: 8},
    val: {refs: 6, expressions: 10, images: 2},
    testA: {refs: 2, expressions: 4, images: 1},
    testB: {refs: 3, expressions: 6, images: 1},
  })
  const {refs} = readJson(prepared.expressionsFile)
  const detected = readStore(prepared.detectedFile)
  const annotated = readStore(prepared.annotatedFile ?? '')
  for (const [split, {rows}] of Object.entries(goldenEval)) {
    const sentences = refs
      .filter((ref) => ref.split === split)
      .flatMap((ref) => ref.sentences.map(({sentId}) => ({sentId, ref})))
    t.deepEqual(
      sentences.map(({sentId, ref}) => [sentId, ref.refId, ref.imageId]),
      rows.map((row) => [row.sent_id, row.ref_id, row.id]),
    )
    for (const [index, {ref}] of sentences.entries()) {
      const row = rows[index]
      if (row === undefined) continue
      const own = detected.boxes(ref.imageId)
      const boxes = split === 'train' ? [...own, ...annotated.boxes(ref.imageId).slice(1)] : own
      const overlap = iou(boxes[row.target] ?? [], ref.box)
      t.true(Math.abs((split === 'train' && overlap < 0.5 ? 0 : overlap) - row.IOU) < 1e-6)
    }
  }
})

test('a second start takes what is there, and says the same', async (t) => {
  const root = copyOfGolden()
  const first = await prepare(root)
  const stages: string[] = []
  const second = await prepare(root, {onProgress: ({stage}) => stages.push(stage)})
  t.deepEqual(second, first)
  t.deepEqual(stages, [])
})

test('a cut or missing cache file is built again', async (t) => {
  const root = copyOfGolden()
  const {detectedFile, expressionsFile, annotatedFile} = await prepare(root)
  const whole = readFileSync(detectedFile)
  truncateSync(detectedFile, whole.length - 1)
  rmSync(expressionsFile)
  writeFileSync(annotatedFile ?? '', 'x')
  await prepare(root)
  t.true(readFileSync(detectedFile).equals(whole))
  t.true(existsSync(expressionsFile))
  t.is(readStore(annotatedFile ?? '').imageIds.length, 12)
})

test('changed refs give another fingerprint and other files', async (t) => {
  const root = copyOfGolden()
  const first = await prepare(root)
  const refsFile = join(root, 'refcoco+', 'refs(unc).p')
  writeFileSync(refsFile, readFileSync(refsFile, 'latin1').replaceAll('giraffe', 'leopard'), 'latin1')
  const second = await prepare(root)
  t.not(second.fingerprint, first.fingerprint)
  t.is(second.detectedFile, first.detectedFile)
  t.true(readFileSync(second.expressionsFile, 'utf8').includes('leopard'))
})

test('builds at the same time end in one good cache', async (t) => {
  const root = copyOfGolden()
  const results = await Promise.all(Array.from({length: 4}, async () => prepare(root)))
  for (const result of results) t.deepEqual(result, results[0])
  t.is(readStore(results[0]?.detectedFile ?? '').imageIds.length, 12)
  t.deepEqual(
    readdirSync(join(root, '.vilbert-ts')).filter((name) => name.endsWith('.tmp')),
    [],
  )
})

test('what a killed process left behind is removed', async (t) => {
  const root = copyOfGolden()
  await prepare(root)
  const folder = join(root, '.vilbert-ts')
  const {hostname} = await import('node:os')
  const host = hostname()
    .replace(/[^A-Za-z0-9]/g, '')
    .slice(0, 40)
  const left = join(folder, `.detected.safetensors.${host}-999999999-01234567.tmp`)
  writeFileSync(left, 'half')
  await prepare(root)
  t.false(existsSync(left))
})

test('an interrupted build leaves nothing under a final name', async (t) => {
  const root = copyOfGolden()
  const controller = new AbortController()
  const onProgress = (): void => {
    controller.abort(new InterruptedError())
  }
  await t.throwsAsync(prepare(root, {signal: controller.signal, onProgress}), {instanceOf: InterruptedError})
  t.deepEqual(
    readdirSync(join(root, '.vilbert-ts')).filter((name) => /^(?:detected|annotated|prepared)/.test(name)),
    [],
  )
})

test('a data root that cannot be written asks for --cache-dir, and with it works', async (t) => {
  const root = copyOfGolden()
  writeFileSync(join(root, '.vilbert-ts'), 'a file where the folder would be')
  const error = await t.throwsAsync(prepare(root), {instanceOf: DataError})
  t.true(error.next?.includes('--cache-dir'))
  const cacheDir = join(emptyFolder(), 'cache')
  const {expressionsFile} = await prepare(root, {cacheDir})
  t.true(expressionsFile.startsWith(cacheDir))
})

type Fault = {
  readonly title: string
  readonly damage: (root: string) => void
  readonly options?: Partial<PrepareOptions>
  readonly code: string
  readonly says: readonly string[]
}

const refsOf = (root: string): string => join(root, 'refcoco+', 'refs(unc).p')
const instancesOf = (root: string): string => join(root, 'refcoco+', 'instances.json')
const detectedOf = (root: string): string => join(root, 'refcoco+_resnet101_faster_rcnn_genome.lmdb')
const put =
  (target: (root: string) => string, ...source: string[]) =>
  (root: string): void => {
    rmSync(target(root), {recursive: true})
    cpSync(join(hostileFolder, ...source), target(root), {recursive: true})
  }
const nothing = (): void => undefined

const faults: readonly Fault[] = [
  {
    title: 'a missing refs file',
    damage: (root) => {
      rmSync(refsOf(root))
    },
    code: 'E_MISSING_FILE',
    says: ['refs(unc).p'],
  },
  {
    title: 'missing instances',
    damage: (root) => {
      rmSync(instancesOf(root))
    },
    code: 'E_MISSING_FILE',
    says: ['instances.json'],
  },
  {
    title: 'a missing LMDB',
    damage: (root) => {
      rmSync(detectedOf(root), {recursive: true})
    },
    code: 'E_MISSING_FILE',
    says: ['detected', '.lmdb'],
  },
  {
    title: 'empty refs',
    damage: (root) => {
      truncateSync(refsOf(root), 0)
    },
    code: 'E_EMPTY',
    says: ['refs(unc).p', 'empty'],
  },
  {
    title: 'cut refs',
    damage: (root) => {
      truncateSync(refsOf(root), 5000)
    },
    code: 'E_TRUNCATED',
    says: ['refs(unc).p', 'byte'],
  },
  {
    title: 'an empty list of refs',
    damage: (root) => {
      writeFileSync(refsOf(root), '].')
    },
    code: 'E_REFS_TYPE',
    says: ['refs(unc).p', 'empty'],
  },
  {
    title: 'refs without a field',
    damage: put(refsOf, 'refs', 'refs_missing_ann_id.p'),
    code: 'E_REFS_FIELD',
    says: ['ref 1', 'ann_id'],
  },
  {
    title: 'refs of an unknown split',
    damage: put(refsOf, 'refs', 'refs_split_unknown.p'),
    code: 'E_REFS_FIELD',
    says: ['dev'],
  },
  {
    title: 'refs of other images',
    damage: put(refsOf, 'refs', 'refs_raw_html.p'),
    code: 'E_REFS_LINK',
    says: ['instances.json', 'ann_id'],
  },
  {
    title: 'hostile refs',
    damage: put(refsOf, 'refs', 'refs_evil_p0.p'),
    code: 'E_GLOBAL',
    says: ['posix.system'],
  },
  {
    title: 'cut instances',
    damage: (root) => {
      truncateSync(instancesOf(root), 9000)
    },
    code: 'E_JSON',
    says: ['instances.json'],
  },
  {
    title: 'features of other images',
    damage: put(detectedOf, 'lmdb', 'lmdb_mapsize_1tb'),
    code: 'E_REGIONS_MISSING',
    says: ['Images 1000', '12 in all', 'refcoco+_resnet101'],
  },
  {
    title: 'features of another width',
    damage: put(detectedOf, 'lmdb', 'lmdb_feat_1024'),
    code: 'E_LMDB_FIELD',
    says: ['image 581857', 'features', '2048'],
  },
  {
    title: 'a cut LMDB',
    damage: put(detectedOf, 'lmdb', 'lmdb_file_trunc1'),
    code: 'E_LMDB_FILE',
    says: ['data.mdb', 'cut off'],
  },
  {
    title: 'an empty sentence',
    damage: (root) => {
      replaceIn(refsOf(root), 'red giraffe', '           ')
    },
    code: 'E_REFS_FIELD',
    says: ['sentence 0 of ref 0', 'empty'],
  },
  {
    title: 'an unknown data set',
    damage: nothing,
    options: {dataset: 'refclef'},
    code: 'E_DATASET',
    says: ['refclef'],
  },
  {
    title: 'an unknown splitter',
    damage: nothing,
    options: {splitBy: 'google'},
    code: 'E_DATASET',
    says: ['google'],
  },
  {
    title: 'a missing data root',
    damage: nothing,
    options: {dataRoot: '/nowhere'},
    code: 'E_MISSING_FILE',
    says: ['/nowhere'],
  },
]

for (const {title, damage, options, code, says} of faults) {
  test(`${title} is refused with ${code}, and nothing is built`, async (t) => {
    const root = copyOfGolden()
    damage(root)
    const error = await t.throwsAsync(prepare(root, options))
    t.true(error instanceof VilbertError && error.code === code && error.exitCode === 4, error.message)
    for (const text of says) t.true(error.message.includes(text), error.message)
    const cache = join(root, '.vilbert-ts')
    const built = existsSync(cache) ? readdirSync(cache) : []
    t.deepEqual(
      built.filter((name) => name.startsWith('prepared') || name.endsWith('.tmp')),
      [],
    )
  })
}

test('a split without refs is named together with those that have some', async (t) => {
  const prepared = await prepare(copyOfGolden(), {annotated: false})
  t.is(prepared.annotatedFile, null)
  t.is(requireSplit(prepared, 'val').expressions, 10)
  const error = t.throws(() => requireSplit(prepared, 'test'), {instanceOf: DataError})
  t.is(error.next, 'Splits with refs: train, val, testA, testB.')
})

function replaceIn(file: string, from: string, to: string): void {
  writeFileSync(file, readFileSync(file, 'latin1').replaceAll(from, to), 'latin1')
}

// The +1 convention of the published code: a box of one pixel has the size 1.
function iou(a: readonly number[], b: readonly number[]): number {
  const [ax1 = 0, ay1 = 0, ax2 = 0, ay2 = 0] = a
  const [bx1 = 0, by1 = 0, bx2 = 0, by2 = 0] = b
  const width = Math.max(0, Math.min(ax2, bx2) - Math.max(ax1, bx1) + 1)
  const height = Math.max(0, Math.min(ay2, by2) - Math.max(ay1, by1) + 1)
  const area = (x1: number, y1: number, x2: number, y2: number): number => (x2 - x1 + 1) * (y2 - y1 + 1)
  const shared = width * height
  return shared / (area(ax1, ay1, ax2, ay2) + area(bx1, by1, bx2, by2) - shared)
}

function readStore(file: string): {imageIds: number[]; boxes: (imageId: number) => number[][]} {
  using source = new FileSource(file)
  const {tensors} = readSafetensors(source)
  const bytes = (name: string): Buffer =>
    Buffer.from(tensors.find((tensor) => tensor.name === name)?.pieces[0]?.read(source) ?? [])
  const integers = (name: string): number[] => {
    const data = bytes(name)
    return Array.from({length: data.length / 8}, (_, index) => Number(data.readBigInt64LE(index * 8)))
  }
  const imageIds = integers('image_ids')
  const first = integers('first_region')
  const boxes = bytes('boxes')
  return {
    imageIds,
    boxes(imageId) {
      const at = imageIds.indexOf(imageId)
      const rows = Array.from(
        {length: (first[at + 1] ?? 0) - (first[at] ?? 0)},
        (_, index) => (first[at] ?? 0) + index,
      )
      return rows.map((row) => [0, 4, 8, 12].map((offset) => boxes.readFloatLE(row * 16 + offset)))
    },
  }
}
