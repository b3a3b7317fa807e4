import test, {type ExecutionContext} from 'ava'
import {mkdir, mkdtemp, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {z} from 'zod'
import {jsonOf, runCli, type CliResult} from '../helpers/cli.js'
import {installPackage} from '../helpers/installed-package.js'
import {writeFakePython} from '../helpers/fake-python.js'

const diagnosisSchema = z.strictObject({
  ok: z.boolean(),
  checks: z.array(
    z.strictObject({
      name: z.string(),
      ok: z.boolean(),
      required: z.boolean(),
      value: z.string(),
      advice: z.string().nullable(),
    }),
  ),
})

test('doctor --json is one document with every check, and advice exactly where something fails', async (t) => {
  const result = await runCli(['doctor', '--json'])
  t.is(result.exitCode, 0)
  const {ok, checks} = diagnosisOf(result)
  t.true(ok)
  for (const check of checks) t.is(check.advice === null, check.ok, check.name)
  const names = checks.map(({name}) => name)
  const expected = ['node', 'python', 'environment', 'package paddlepaddle', 'package numpy', 'paddle']
  for (const name of [...expected, 'compute threads', 'compiler', 'disk']) t.true(names.includes(name), name)
  t.regex(valueOf(result, 'paddle'), /^3\.3\.1 on (cpu|gpu)/)
})

test('for people it is a table with marks on stdout', async (t) => {
  const {stdout, exitCode} = await runCli(['doctor'])
  t.is(exitCode, 0)
  t.regex(stdout, /^✓ {2}node +\d+\.\d+\.\d+$/m)
  t.regex(stdout, /^✓ {2}paddle +3\.3\.1 on/m)
})

test('a named Python that does not run is what fails, with exit code 5', async (t) => {
  const result = await runCli(['doctor', '--json', '--python', '/nonexistent/python'])
  t.is(result.exitCode, 5)
  const {ok, checks} = diagnosisOf(result)
  t.false(ok)
  t.like(
    checks.find(({name}) => name === 'python'),
    {ok: false, required: true, value: '/nonexistent/python (from --python) is not a Python that runs.'},
  )
})

test('a named Python without Paddle is what fails', async (t) => {
  const python = writeFakePython(await folderFor(t), 'python3', {hasPaddle: false})
  const result = await runCli(['doctor', '--json'], {env: {VILBERT_TS_PYTHON: python}})
  t.is(result.exitCode, 5)
  t.is(valueOf(result, 'python'), `${python} (from VILBERT_TS_PYTHON) has no Paddle installed.`)
})

test('before setup, the Python is there and the environment is what is missing', async (t) => {
  const installed = await installPackage(t)
  const result = await installed.run(['doctor', '--json'])
  t.is(result.exitCode, 5)
  const {checks} = diagnosisOf(result)
  t.true(checks.find(({name}) => name === 'python')?.ok)
  t.like(
    checks.find(({name}) => name === 'environment'),
    {ok: false, value: 'There is no Python environment for vilbert-ts yet.'},
  )
  t.regex(checks.find(({name}) => name === 'environment')?.advice ?? '', /vilbert-ts setup/)
})

test('too many compute threads are worth a look, but no failure', async (t) => {
  const result = await runCli(['doctor', '--json'], {env: {OMP_NUM_THREADS: '999'}})
  t.is(result.exitCode, 0)
  const check = diagnosisOf(result).checks.find(({name}) => name === 'compute threads')
  t.like(check, {ok: false, required: false})
  t.regex(check?.advice ?? '', /OMP_NUM_THREADS/)
})

test('a data root is looked into: which data sets are there, or what one lacks', async (t) => {
  const root = await folderFor(t)
  t.is(
    valueOf(await runCli(['doctor', '--json', '--data-root', join(root, 'nowhere')]), 'data root'),
    `${join(root, 'nowhere')} is not a folder`,
  )
  await mkdir(join(root, 'refcoco+'))
  await writeFile(join(root, 'refcoco+', 'refs(unc).p'), '')
  await writeFile(join(root, 'refcoco+', 'instances.json'), '')
  const features = join(root, 'refcoco+_resnet101_faster_rcnn_genome.lmdb')
  const lacking = await runCli(['doctor', '--json', '--data-root', root])
  t.is(lacking.exitCode, 5)
  t.is(valueOf(lacking, 'data root'), `${features} is missing`)
  await mkdir(features)
  const whole = await runCli(['doctor', '--json', '--data-root', root])
  t.is(whole.exitCode, 0)
  t.is(valueOf(whole, 'data root'), `refcoco+ (unc) at ${root}`)
})

function diagnosisOf(result: CliResult): z.infer<typeof diagnosisSchema> {
  return diagnosisSchema.parse(jsonOf(result))
}

function valueOf(result: CliResult, check: string): string {
  return diagnosisOf(result).checks.find(({name}) => name === check)?.value ?? ''
}

async function folderFor(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'doctor-'))
  t.teardown(() => rm(folder, {recursive: true}))
  return folder
}
