import {appendFileSync, existsSync, readdirSync, readFileSync, statSync, truncateSync} from 'node:fs'
import {join} from 'node:path'
import test, {type ExecutionContext} from 'ava'
import {execa, execaSync} from 'execa'
import {prepareData} from '../../src/data/prepare.js'
import {lmdbRegions} from '../../src/data/region-source.js'
import {storeJournal, storePart} from '../../src/data/region-writer.js'
import {buildRegions} from '../../src/data/regions.js'
import {FormatError, InterruptedError} from '../../src/errors.js'
import {jsonOf, runCli} from '../helpers/cli.js'
import {golden, goldenDataRoot, temporaryFolder} from '../helpers/golden.js'
import {python, pythonFixtures, seededRandom} from '../helpers/python.js'

type Packed = {
  readonly featuresDtype: string
  readonly stores: readonly {readonly kind: string; readonly file: string; readonly images: number}[]
  readonly fingerprint: string
}

test('data pack builds all that training reads, and training then builds nothing', async (t) => {
  const dataRoot = await goldenDataRoot(t)
  const packed = await pack(t, dataRoot)
  t.deepEqual(
    packed.stores.map(({kind, images}) => [kind, images]),
    [
      ['detected', 12],
      ['annotated', 12],
    ],
  )
  const stages: string[] = []
  const prepared = await prepareData({
    ...{dataRoot, dataset: 'refcoco+', annotated: true},
    onProgress: ({stage}) => stages.push(stage),
  })
  t.deepEqual(stages, [])
  t.is(prepared.fingerprint, packed.fingerprint)
})

test('a float16 store holds what numpy makes of the float32 one, in half of the space', async (t) => {
  const dataRoot = await goldenDataRoot(t)
  const whole = await pack(t, dataRoot)
  const half = await pack(t, dataRoot, 'float16')
  t.not(half.fingerprint, whole.fingerprint)
  const program = [
    'import sys, numpy as np',
    'from safetensors.numpy import load_file',
    'a, b = load_file(sys.argv[1]), load_file(sys.argv[2])',
    'assert b["features"].dtype == np.float16 and a.keys() == b.keys()',
    'a["features"] = a["features"].astype(np.float16)',
    'print(all((a[k].view(np.uint8) == b[k].view(np.uint8)).all() for k in a))',
  ]
  for (const [index, {file}] of whole.stores.entries()) {
    const other = half.stores[index]?.file ?? ''
    const {stdout} = await execa(python, ['-c', program.join('\n'), file, other])
    t.is(stdout, 'True')
    t.true(statSync(other).size < 0.51 * statSync(file).size)
  }
})

test('eval and predict read float16 features: the same regions, nearly the same logits', async (t) => {
  const dataRoot = await goldenDataRoot(t)
  const model = ['--config', join(golden, 'config.json'), '--from', join(golden, 'weights.pdparams')]
  const kept = ['--data-root', dataRoot, '--features-dtype', 'float16']
  const results = join(dataRoot, 'rows.json')
  await succeeding(t, ['eval', ...model, ...kept, '--results', results, '--logits'])
  const rows = JSON.parse(readFileSync(results, 'utf8')) as Row[]
  const expected = JSON.parse(readFileSync(join(golden, 'expected', 'eval.json'), 'utf8')) as {
    val: {rows: Row[]}
  }
  t.deepEqual(
    rows.map(({target}) => target),
    expected.val.rows.map(({target}) => target),
  )
  const differences = rows.flatMap(({logits}, row) =>
    logits.map((logit, at) => Math.abs(logit - (expected.val.rows[row]?.logits[at] ?? Infinity))),
  )
  t.true(Math.max(...differences) < 5e-3, `${Math.max(...differences)}`)
  t.true(Math.max(...differences) > 0)
  const [first] = expected.val.rows
  const image = ['--image', String(first?.id), '--phrase', 'a thing']
  const answer = await succeeding(t, ['predict', ...model, ...kept, ...image])
  t.is((answer as {regions: unknown[]}).regions.length, 5)
})

type Row = {readonly id: number; readonly target: number; readonly logits: number[]}

test('a feature that float16 cannot hold is named, and nothing is left', async (t) => {
  const folder = await temporaryFolder(t)
  using regions = lmdbRegions(writeLmdb(join(folder, 'lmdb'), 'huge-numbers', 3))
  const target = join(folder, 'cache', 'store.safetensors')
  await execa('mkdir', [join(folder, 'cache')])
  const options = {stage: 'test', source: 'none'}
  const error = await t.throwsAsync(buildRegions(regions, target, {...options, dtype: 'F16'}), {
    instanceOf: FormatError,
  })
  t.is(error.code, 'E_FLOAT16')
  t.true(error.message.includes('image 2 is 80000'), error.message)
  t.false(existsSync(target))
  await buildRegions(regions, target, {...options, dtype: 'F32'})
  t.deepEqual(readdirSync(join(folder, 'cache')), ['store.safetensors'])
})

for (const dtype of ['F32', 'F16'] as const) {
  test(`a build to ${dtype} that is stopped again and again ends in the same bytes`, async (t) => {
    const folder = await temporaryFolder(t)
    using regions = lmdbRegions(writeLmdb(join(folder, 'lmdb'), 'regions', 400))
    const [whole, target] = [join(folder, 'whole.safetensors'), join(folder, 'stopped.safetensors')]
    const options = {stage: 'test', source: 'some', dtype, batchBytes: dtype === 'F32' ? 2 ** 21 : 2 ** 20}
    await buildRegions(regions, whole, options)
    const random = seededRandom(3)
    const damages = [
      () => {
        appendFileSync(storeJournal(target), '{"endBytes": 99')
      },
      () => {
        truncateSync(storeJournal(target), statSync(storeJournal(target)).size - 5)
      },
      () => {
        truncateSync(storePart(target), Math.floor(statSync(storePart(target)).size / 2))
      },
      () => {
        appendFileSync(storePart(target), Buffer.alloc(100_000, 7))
      },
    ]
    for (const damage of [undefined, ...damages]) {
      await stopped(regions, target, options, 0.3 + 0.6 * random())
      t.true(existsSync(storeJournal(target)))
      damage?.()
    }
    const reads: number[] = []
    const counted = {...regions, read: (index: number) => (reads.push(index), regions.read(index))}
    await buildRegions(counted, target, options)
    t.true(reads.length > 0 && reads.length < 400)
    t.true(readFileSync(target).equals(readFileSync(whole)))
    t.deepEqual(readdirSync(folder).sort(), ['lmdb', 'stopped.safetensors', 'whole.safetensors'])
  })
}

test('what was built of another source is not continued', async (t) => {
  const folder = await temporaryFolder(t)
  using regions = lmdbRegions(writeLmdb(join(folder, 'lmdb'), 'regions', 200))
  const target = join(folder, 'store.safetensors')
  const options = {stage: 'test', source: 'one', dtype: 'F32', batchBytes: 2 ** 21} as const
  await stopped(regions, target, options, 0.8)
  let reads = 0
  const counted = {...regions, read: (index: number) => (reads++, regions.read(index))}
  await buildRegions(counted, target, {...options, source: 'another'})
  t.is(reads, 200)
})

/** Stops a build when a share of its images is read. */
async function stopped(
  regions: ReturnType<typeof lmdbRegions>,
  target: string,
  options: Parameters<typeof buildRegions>[2],
  share: number,
): Promise<void> {
  const read = (index: number) => {
    if (index > share * regions.images.length) throw new InterruptedError()
    return regions.read(index)
  }
  await buildRegions({...regions, read}, target, options).catch((error: unknown) => {
    if (!(error instanceof InterruptedError)) throw error
  })
}

function writeLmdb(folder: string, what: string, count: number): string {
  execaSync(python, [join(pythonFixtures, 'write_lmdb.py'), what, folder, String(count)])
  return folder
}

async function pack(t: ExecutionContext, dataRoot: string, dtype = 'float32'): Promise<Packed> {
  const packed = await succeeding(t, ['data', 'pack', '--data-root', dataRoot, '--dtype', dtype])
  t.is((packed as Packed).featuresDtype, dtype)
  return packed as Packed
}

async function succeeding(t: ExecutionContext, args: readonly string[]): Promise<object> {
  const run = await runCli([...args, '--json'], {timeoutMs: 110_000})
  t.is(run.exitCode, 0, run.stdout + run.stderr)
  return jsonOf(run) as object
}
