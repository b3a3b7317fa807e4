import {existsSync, readdirSync, readFileSync} from 'node:fs'
import {mkdir, rm, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {setTimeout as delay} from 'node:timers/promises'
import test from 'ava'
import {packageRoot} from '../../../src/paths.js'
import {finished, jsonOf, runCli, startCli} from '../../helpers/cli.js'
import {startFaultsServer} from '../../helpers/faults-server.js'
import {sha256Of} from '../../helpers/file-hash.js'
import {temporaryFolder} from '../../helpers/folders.js'
import {zipOf} from '../../helpers/zip.js'

/** No command here may need Python. */
const env = {VILBERT_TS_PYTHON: '/nowhere/python'}
const goldenRoot = join(packageRoot, 'test', 'fixtures', 'golden', 'data-root')

const annotations = {
  'refcoco+/refs(unc).p': Buffer.from('refs'),
  'refcoco+/instances.json': Buffer.from('{"info": {}}'),
  '__MACOSX/refcoco+/._refs(unc).p': Buffer.from('what a Mac adds'),
}

test('data list says what is there, without Python and network', async (t) => {
  const dataRoot = await temporaryFolder(t)
  await mkdir(join(dataRoot, 'refcoco+'))
  for (const name of ['refs(unc).p', 'instances.json']) await writeFile(join(dataRoot, 'refcoco+', name), 'x')
  const listed = await runCli(['data', 'list', 'refcoco+', '--data-root', dataRoot, '--json'], {env})
  t.is(listed.exitCode, 0, listed.stderr)
  const {sources} = jsonOf(listed) as {sources: {id: string; isPresent: boolean; licence: string}[]}
  t.deepEqual(
    sources.filter(({isPresent}) => isPresent).map(({id}) => id),
    ['refcoco+-annotations'],
  )
  t.true(sources.every(({licence}) => licence !== ''))
  const shown = await runCli(['data', 'list', '--data-root', dataRoot], {env})
  t.regex(shown.stdout, /^yes +\? +annotations +refcoco\+-annotations$/m)
  t.regex(shown.stdout, /sha256 +not known: learned with the first download/)
})

test('an archive from a folder is checked, unpacked, pinned, and not fetched again', async (t) => {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'refcoco+.zip'), zipOf(annotations))
  const dataRoot = join(folder, 'root')
  const download = () => runCli(annotationsFrom(folder, dataRoot), {env})

  const first = await download()
  t.is(first.exitCode, 0, first.stdout)
  t.like(jsonOf(first), {sources: [{status: 'fetched', isLearned: true}]})
  t.is(readFileSync(join(dataRoot, 'refcoco+', 'refs(unc).p'), 'utf8'), 'refs')
  t.deepEqual(readdirSync(dataRoot).sort(), ['.vilbert-ts', 'refcoco+'])
  const {pins} = JSON.parse(readFileSync(join(dataRoot, '.vilbert-ts', 'pins.json'), 'utf8')) as Pins
  t.is(pins['refcoco+-annotations']?.sha256, sha256Of(join(folder, 'refcoco+.zip')))
  t.deepEqual(readdirSync(join(dataRoot, '.vilbert-ts', 'downloads')), [])
  t.like(jsonOf(await download()), {sources: [{status: 'present'}]})

  await rm(join(dataRoot, 'refcoco+'), {recursive: true})
  await writeFile(
    join(folder, 'refcoco+.zip'),
    zipOf({...annotations, 'refcoco+/refs(unc).p': Buffer.from('reft')}),
  )
  const changed = await download()
  t.is(changed.exitCode, 6)
  t.like(jsonOf(changed), {error: {code: 'E_DL_CHECKSUM'}})
  t.regex(changed.stdout, /pins\.json/)
  t.false(existsSync(join(dataRoot, 'refcoco+')))
})

type Pins = {readonly pins: Readonly<Record<string, {readonly sha256: string}>>}

test('a damaged archive, or one of something else, ends with exit code 4 and leaves no data', async (t) => {
  const folder = await temporaryFolder(t)
  const damaged = zipOf(annotations)
  damaged.writeUInt8((damaged[50] ?? 0) ^ 0xff, 50)
  for (const zip of [damaged, zipOf({'readme.txt': Buffer.from('x')})]) {
    await writeFile(join(folder, 'refcoco+.zip'), zip)
    const {exitCode} = await runCli(annotationsFrom(folder, join(folder, 'root')), {env})
    t.is(exitCode, 4)
    t.deepEqual(readdirSync(join(folder, 'root')), ['.vilbert-ts'])
    t.deepEqual(readdirSync(join(folder, 'root', '.vilbert-ts', 'downloads')), [])
    t.false(existsSync(join(folder, 'root', '.vilbert-ts', 'pins.json')))
  }
})

test('a folder in the layout of a data root is copied, and a folder without the data is an error', async (t) => {
  const dataRoot = join(await temporaryFolder(t), 'root')
  const copied = await runCli(
    [
      'data',
      'download',
      'refcoco+',
      '--only',
      'annotations,features',
      '--from',
      goldenRoot,
      '--data-root',
      dataRoot,
    ],
    {env},
  )
  t.is(copied.exitCode, 0, copied.stderr)
  for (const path of ['refcoco+/refs(unc).p', 'refcoco+_resnet101_faster_rcnn_genome.lmdb/data.mdb']) {
    t.is(sha256Of(join(dataRoot, path)), sha256Of(join(goldenRoot, path)))
  }
  const empty = await temporaryFolder(t)
  const missing = await runCli(annotationsFrom(empty, join(empty, 'root')), {env})
  t.is(missing.exitCode, 4)
  t.like(jsonOf(missing), {error: {code: 'E_DL_FROM'}})
})

test('--dry-run shows the addresses in their order and writes nothing', async (t) => {
  const folder = await temporaryFolder(t)
  const planned = await runCli(
    [
      ...[
        'data',
        'download',
        'refcoco+',
        '--only',
        'annotations',
        '--mirror',
        'https://mirror.example.org/x',
      ],
      ...['--data-root', join(folder, 'root'), '--dry-run', '--json'],
    ],
    {env},
  )
  t.is(planned.exitCode, 0)
  const {sources} = jsonOf(planned) as {sources: {status: string; urls: string[]}[]}
  t.is(sources[0]?.status, 'planned')
  t.is(new URL(sources[0]?.urls[0] ?? '').host, 'mirror.example.org')
  t.deepEqual(readdirSync(folder), [])
})

test('what nobody publishes, an unknown data set and an unknown kind are errors with exit codes of their own', async (t) => {
  const dataRoot = await temporaryFolder(t)
  const run = async (...args: string[]): Promise<number | undefined> =>
    (await runCli(['data', 'download', ...args, '--data-root', dataRoot], {env})).exitCode
  t.is(await run('refcoco', '--only', 'features'), 6)
  t.is(await run('refcoco-'), 4)
  t.is(await run('refcoco', '--only', 'pictures'), 3)
  t.is(await run('refcoco', '--mirror', 'gopher://x'), 3)
  t.is(await run(), 2)
})

test('Ctrl-C keeps what has come, exits with 130, and the next run continues', async (t) => {
  const server = await startFaultsServer()
  t.teardown(() => server.stop())
  const dataRoot = await temporaryFolder(t)
  const sources = join(dataRoot, 'own.json')
  await writeFile(
    sources,
    JSON.stringify({schema: 'vilbert-ts/sources@1', sources: [own(server.url('/slow?ms=8'))]}),
  )
  const args = ['data', 'download', 'mine', '--sources', sources, '--data-root', dataRoot, '--json']
  const program = startCli(args, {env})
  while (!existsSync(join(dataRoot, 'mine.bin.part.json'))) await delay(10)
  program.kill('SIGINT')
  const stopped = await finished(program)
  t.is(stopped.exitCode, 130)
  t.like(jsonOf(stopped), {error: {code: 'E_INTERRUPTED'}})
  t.true(existsSync(join(dataRoot, 'mine.bin.part')))
  const resumed = await runCli(args, {env})
  t.is(resumed.exitCode, 0, resumed.stdout)
  t.is(sha256Of(join(dataRoot, 'mine.bin')), server.sha256[0])
  t.true((await server.stats()).log.some(({range}) => range !== null))
})

test('a file that does not fit on the disk is refused before anything is asked for', async (t) => {
  const server = await startFaultsServer()
  t.teardown(() => server.stop())
  const dataRoot = await temporaryFolder(t)
  const sources = join(dataRoot, 'own.json')
  const huge = {...own(server.url('/ok')), sizeBytes: 1e15}
  await writeFile(sources, JSON.stringify({schema: 'vilbert-ts/sources@1', sources: [huge]}))
  const full = await runCli(
    ['data', 'download', 'mine', '--sources', sources, '--data-root', dataRoot, '--json'],
    {env},
  )
  t.is(full.exitCode, 4)
  t.like(jsonOf(full), {error: {code: 'E_DISK_SPACE'}})
  t.is((await server.stats()).count['GET/ok'], undefined)
})

test('a data root that cannot be written is an error with exit code 4', async (t) => {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'refcoco+.zip'), zipOf(annotations))
  await writeFile(join(folder, 'file'), '')
  const {exitCode, stdout} = await runCli(annotationsFrom(folder, join(folder, 'file')), {env})
  t.is(exitCode, 4)
  t.like(JSON.parse(stdout), {error: {code: 'E_DL_WRITE'}})
})

function annotationsFrom(folder: string, dataRoot: string): string[] {
  return [
    'data',
    'download',
    'refcoco+',
    '--only',
    'annotations',
    '--from',
    folder,
    '--data-root',
    dataRoot,
    '--json',
  ]
}

function own(url: URL): object {
  return {
    ...{id: 'mine', datasets: ['mine'], kind: 'features', purpose: 'A test.', licence: 'none'},
    urls: [url.href],
    provides: ['mine.bin'],
  }
}
