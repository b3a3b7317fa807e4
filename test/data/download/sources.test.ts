import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import test from 'ava'
import {datasetLayout, datasetSplits} from '../../../src/data/datasets.js'
import {originOf} from '../../../src/data/download/places.js'
import {loadSources, selectSources} from '../../../src/data/download/sources.js'
import {jsonOf, runCli} from '../../helpers/cli.js'
import {temporaryFolder} from '../../helpers/folders.js'

test('the registry gives the annotations of every data set and splitter under the names that the readers want', async (t) => {
  const sources = await loadSources()
  for (const [dataset, bySplitter] of Object.entries(datasetSplits)) {
    const provided = selectSources(sources, [dataset], ['annotations']).flatMap(({provides}) => provides)
    for (const splitBy of Object.keys(bySplitter)) {
      const {refsFile, instancesFile} = datasetLayout('', dataset, splitBy)
      t.true(provided.includes(refsFile), refsFile)
      t.true(provided.includes(instancesFile), instancesFile)
    }
  }
})

test('the features and weights of RefCOCO+ are where train and eval look for them', async (t) => {
  const sources = selectSources(await loadSources(), ['refcoco+'])
  const provided = sources.flatMap(({provides}) => provides)
  const {detectedLmdb, annotatedLmdb} = datasetLayout('', 'refcoco+')
  t.true(provided.includes(`${detectedLmdb}/data.mdb`))
  t.true(provided.includes(`${annotatedLmdb}/data.mdb`))
  const drive = sources.flatMap(({urls}) => urls).filter((url) => url.includes('drive.google.com'))
  t.deepEqual(
    drive.map((url) => new URL(url).searchParams.get('id')),
    ['1QMJz5anz_git8NFThUgacOBgYti_of4g', '19gbGuVm9hgVPm_XzAUrTpeDmObr5ZAv3'],
  )
})

test('every source has an address or says why not, encrypted ones first', async (t) => {
  for (const {id, urls, note} of await loadSources()) {
    const isPlain = urls.map((url) => url.startsWith('http:'))
    t.deepEqual([...isPlain].sort(), isPlain, id)
    if (urls.length === 0) t.truthy(note, id)
  }
})

test('a file of own sources adds to the registry and replaces entries of the same id', async (t) => {
  const file = join(await temporaryFolder(t), 'own.json')
  const own = {
    ...{id: 'vilbert-pretrained', datasets: ['mine'], kind: 'weights', purpose: 'Mine.', licence: 'mine'},
    urls: ['https://example.org/w.pdparams'],
    provides: ['w.pdparams'],
  }
  await writeFile(file, JSON.stringify({schema: 'vilbert-ts/sources@1', sources: [own]}))
  const sources = await loadSources(file)
  t.deepEqual(
    selectSources(sources, ['mine']).map(({purpose}) => purpose),
    ['Mine.'],
  )
  t.is(sources.filter(({id}) => id === 'vilbert-pretrained').length, 1)
})

test('a wrong file of sources is refused with the place of the mistake', async (t) => {
  const good = {
    ...{id: 'x', datasets: ['mine'], kind: 'weights', purpose: 'Mine.', licence: 'mine'},
    urls: ['https://example.org/w'],
    provides: ['w'],
  }
  const wrong: readonly (readonly [object, RegExp])[] = [
    [{...good, provides: ['../w']}, /sources\.0\.provides\.0/],
    [{...good, provides: ['/etc/passwd']}, /sources\.0\.provides\.0/],
    [{...good, urls: ['ftp://example.org/w']}, /sources\.0\.urls\.0/],
    [{...good, sha256: 'abc'}, /sources\.0\.sha256/],
    [{...good, provides: ['a', 'b']}, /sources\.0\.provides/],
    [{...good, archive: {}}, /sources\.0\.fileName/],
    [{...good, archive: {into: 'x'}, fileName: 'f.zip'}, /sources\.0\.provides/],
    [{...good, extra: 1}, /sources\.0/],
  ]
  const file = join(await temporaryFolder(t), 'own.json')
  for (const [source, place] of wrong) {
    await writeFile(file, JSON.stringify({schema: 'vilbert-ts/sources@1', sources: [source]}))
    const error = await t.throwsAsync(loadSources(file))
    t.like(error, {code: 'E_SOURCES', exitCode: 3})
    t.regex(error.message, place)
  }
})

const yaml = (source: string): string => `data:
  dataRoot: root
sources:
  - id: mine
    datasets: [mine]
    kind: weights
    purpose: Mine.
    licence: mine
${source}`

test('sources of a configuration are listed and planned, below its data root, before that is there', async (t) => {
  const folder = await temporaryFolder(t)
  const config = join(folder, 'own.yaml')
  await writeFile(config, yaml('    urls: [https://example.org/w]\n    provides: [w.pdparams]\n'))
  const listed = await runCli(['data', 'list', 'mine', '--config', config, '--json'])
  t.is(listed.exitCode, 0, listed.stdout)
  t.like(jsonOf(listed), {sources: [{id: 'mine', purpose: 'Mine.', isPresent: false}]})
  const planned = await runCli(['data', 'download', 'mine', '-c', config, '--dry-run', '--json'])
  t.like(jsonOf(planned), {
    dataRoot: join(folder, 'root'),
    sources: [{status: 'planned', urls: ['https://example.org/w']}],
  })
})

test('a wrong source in a configuration is shown with its line and what was meant, exit 3', async (t) => {
  const config = join(await temporaryFolder(t), 'own.yaml')
  for (const [source, says] of [
    [
      '    url: [https://example.org/w]\n    provides: [w]\n',
      /:9:5: sources\.0\.url is not a known key; did you mean "urls"/,
    ],
    ['    urls: [ftp://example.org/w]\n    provides: [w]\n', /:9:.* must be https, http, s3 or file/],
    ['    urls: []\n    provides: [../w]\n', /:10:.* must be a plain path below the data root/],
    ['    urls: []\n    provides: [w]\n    sha256: abc\n', /:11:.*sha256 must be 64 hexadecimal digits/],
  ] as const) {
    await writeFile(config, yaml(source))
    for (const args of [
      ['data', 'list', '--config', config],
      ['config', 'validate', config],
    ]) {
      const failed = await runCli(args)
      t.is(failed.exitCode, 3, failed.stderr)
      t.regex(failed.stdout + failed.stderr, says)
    }
  }
})

test('a mirror comes first, and --from is the only place', async (t) => {
  const [source] = selectSources(await loadSources(), ['refcoco+'], ['annotations'])
  if (source === undefined) throw new Error('no source')
  const mirrored = await originOf(source, {mirror: 's3://bucket/data'})
  const only = await originOf(source, {from: 'https://example.org/a/?b'})
  const hrefs = (origin: typeof mirrored): readonly string[] =>
    origin.kind === 'urls' ? origin.urls.map(({href}) => href) : []
  t.deepEqual(hrefs(mirrored), ['s3://bucket/data/refcoco%2B.zip', ...source.urls])
  t.deepEqual(hrefs(only), ['https://example.org/a/refcoco%2B.zip?b'])
})
