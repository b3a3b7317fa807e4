import {cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import test, {type ExecutionContext} from 'ava'
import {packageRoot} from '../../src/paths.js'
import {jsonOf, runCli, type CliResult} from '../helpers/cli.js'
import {python} from '../helpers/python.js'
import {decodeGreyPng} from './grey-png.js'

const golden = join(packageRoot, 'test', 'fixtures', 'golden', 'data-root')
const state = {build: ''}

test.before('the mask extension is built once', async (t) => {
  state.build = await mkdtemp(join(tmpdir(), 'vilbert-mask-'))
  const built = await refer(['build'])
  t.is(built.exitCode, 0, built.stderr)
})

test.after.always(() => rm(state.build, {recursive: true, force: true}))

test('refer mask writes a PNG whose pixels are those of the polygon', async (t) => {
  const output = join(await emptyFolder(t), 'new', 'mask.png')
  const made = await mask('3', '--output', output, '--json')
  t.is(made.exitCode, 0, made.stderr)
  t.deepEqual(jsonOf(made), {
    output,
    refId: 3,
    annId: 3,
    widthPx: 595,
    heightPx: 624,
    areaPx: 125 * 154,
    box: [470, 170, 595, 324],
  })
  const {width, height, pixels} = decodeGreyPng(await readFile(output))
  t.deepEqual([width, height], [595, 624])
  // The annotation is a rectangle from 469.57, 169.58 to 594.77, 323.99.
  const wrong = pixels.findIndex((value, at) => {
    const [x, y] = [at % width, Math.floor(at / width)]
    return value !== (x >= 470 && y >= 170 && y < 324 ? 255 : 0)
  })
  t.is(wrong, -1)
  t.deepEqual(await readdir(join(output, '..')), ['mask.png'])
})

test('refer mask reads run lengths, listed and compressed, and unites polygons', async (t) => {
  const square = [10, 10, 20, 10, 20, 20, 10, 20]
  const cases = [
    [{size: [624, 595], counts: [624, 624, 624 * 593]}, 624, [1, 0, 2, 624]],
    [{size: [624, 595], counts: '`c0`c0`[Y;'}, 624, [1, 0, 2, 624]],
    [[square, [15, 10, 30, 10, 30, 20, 15, 20]], 200, [10, 10, 30, 20]],
  ] as const
  for (const [segmentation, areaPx, box] of cases) {
    const dataRoot = await rootWith(t, segmentation)
    const output = join(dataRoot, 'mask.png')
    const made = await mask('3', '--data-root', dataRoot, '--output', output, '--json')
    t.is(made.exitCode, 0, made.stdout)
    t.like(jsonOf(made), {areaPx, box})
    const {pixels} = decodeGreyPng(await readFile(output))
    t.is(pixels.filter((value) => value === 255).length, areaPx)
  }
})

test('a mask that is missing or damaged is named with its file and annotation', async (t) => {
  const cases: readonly (readonly [unknown, RegExp])[] = [
    [[], /instances\.json: annotation 3 has no segmentation\./],
    [undefined, /instances\.json: annotation 3 has no segmentation\./],
    ['polygon', /the segmentation of annotation 3 is neither polygons nor run lengths/],
    [[['a']], /the segmentation of annotation 3 is neither polygons nor run lengths/],
    [[[1, 2, 3, 4, 5]], /annotation 3: a polygon needs x and y of three corners/],
    [[[1, 2, 3, 4, 5, 1e300]], /annotation 3: the mask has a coordinate that is more than/],
    [{size: [624, 595], counts: 'o'}, /annotation 3: the mask has counts that end inside a number\./],
    [
      {size: [624, 595], counts: [624 * 595 + 1]},
      /annotation 3: the mask has runs that go beyond its size\./,
    ],
  ]
  for (const [segmentation, message] of cases) {
    const dataRoot = await rootWith(t, segmentation)
    const output = join(dataRoot, 'mask.png')
    const {exitCode, stderr} = await mask('3', '--data-root', dataRoot, '--output', output)
    t.is(exitCode, 4, stderr)
    t.regex(stderr, message)
    t.deepEqual((await readdir(dataRoot)).sort(), ['refcoco+'])
  }
})

test('refer mask refuses an output that is no PNG or cannot be written', async (t) => {
  const folder = await emptyFolder(t)
  const wrongName = await mask('3', '--output', join(folder, 'mask.jpg'))
  t.is(wrongName.exitCode, 3)
  t.regex(wrongName.stderr, /mask\.jpg must end in \.png\./)
  await mkdir(join(folder, 'mask.png', 'full'), {recursive: true})
  const isFolder = await mask('3', '--output', join(folder, 'mask.png'))
  t.is(isFolder.exitCode, 4)
  t.regex(isFolder.stderr, /mask\.png cannot be written \(E[A-Z]+\)\./)
  t.deepEqual(await readdir(folder), ['mask.png'])
})

test('refer mask without the extension says how to build it', async (t) => {
  const folder = await emptyFolder(t)
  const output = join(folder, 'mask.png')
  const args = ['mask', '3', '--data-root', golden, '--output', output]
  const {exitCode, stderr} = await refer(args, join(folder, 'nothing'))
  t.is(exitCode, 5)
  t.regex(stderr, /^Error: The mask extension is not built for .*\.$/m)
  t.regex(stderr, /^Next: Run `vilbert-ts refer build`\.$/m)
  t.deepEqual(await readdir(folder), [])
})

async function mask(ref: string, ...more: readonly string[]): Promise<CliResult> {
  const dataRoot = more.includes('--data-root') ? [] : ['--data-root', golden]
  return refer(['mask', ref, ...dataRoot, ...more])
}

async function refer(args: readonly string[], build: string = state.build): Promise<CliResult> {
  const env = {VILBERT_TS_PYTHON: python, VILBERT_TS_REFER_BUILD: build}
  return runCli(['refer', ...args], {env, timeoutMs: 110_000})
}

/** The golden annotations with another mask for annotation 3, on an image of 595 by 624. */
async function rootWith(t: ExecutionContext, segmentation: unknown): Promise<string> {
  const dataRoot = await emptyFolder(t)
  await cp(join(golden, 'refcoco+'), join(dataRoot, 'refcoco+'), {recursive: true})
  const file = join(dataRoot, 'refcoco+', 'instances.json')
  const instances = JSON.parse(await readFile(file, 'utf8')) as {annotations: {id: number}[]}
  const annotations = instances.annotations.map((row) => (row.id === 3 ? {...row, segmentation} : row))
  await writeFile(file, JSON.stringify({...instances, annotations}))
  return dataRoot
}

async function emptyFolder(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'vilbert-mask-'))
  t.teardown(() => rm(folder, {recursive: true, force: true}))
  return folder
}
