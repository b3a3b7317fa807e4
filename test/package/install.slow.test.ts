import {existsSync} from 'node:fs'
import {readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import test from 'ava'
import {jsonOf} from '../helpers/cli.js'
import {noticedPackages} from '../helpers/notice.js'
import {installPacked, type PackedPackage} from '../helpers/packed-package.js'
import {unlike} from '../helpers/written-schemas.js'

/** What the script prints. */
type Answer = {
  readonly counts: readonly number[]
  readonly predictions: readonly {readonly phrase: string; readonly regions: readonly unknown[]}[]
  readonly refused: string
}

let installed: PackedPackage

test.before(async (t) => {
  t.timeout(300_000)
  installed = await installPacked()
})

test.after.always(() => installed.remove())

test.serial('the package holds what runs and what must be read, and no tests', (t) => {
  const {files} = installed
  const wanted = [
    'LICENSE',
    'NOTICE',
    'README.md',
    'oclif.manifest.json',
    'dist/src/index.d.ts',
    'schemas/train.json',
  ]
  const sources = ['python/vilbert/bridge.py', 'python/refer/Makefile', 'python/kernels/Makefile']
  for (const file of [...wanted, ...sources]) t.true(files.includes(file), file)
  t.deepEqual(
    files.filter((file) => /(^|\/)test\/|\.test\.|\.map$|requirements-dev|fuzz/.test(file)),
    [],
  )
})

test.serial('its command line runs: help, doctor before set-up, a configuration', async (t) => {
  const help = await installed.run('vilbert-ts', ['--help'])
  t.is(help.exitCode, 0)
  t.regex(help.stdout, /^COMMANDS\n/m)
  const doctor = await installed.run('vilbert-ts', ['doctor', '--json'])
  t.is(doctor.exitCode, 5)
  t.like(jsonOf(doctor), {ok: false})
  await writeFile(join(installed.folder, 'run.yaml'), 'model: tiny\ntraining:\n  epochs: 3\n')
  const valid = await installed.run('vilbert-ts', ['config', 'validate', 'run.yaml', '--json'])
  t.is(valid.exitCode, 0, valid.stdout)
})

test.serial('tsc checks a script against its types, those of its dependencies too', async (t) => {
  const {stdout, exitCode} = await installed.run('tsc', ['-p', 'tsconfig.json'], 120_000)
  t.is(exitCode, 0, stdout)
})

test.serial(
  "setup makes its Python in the user's cache folder, from packages that NOTICE names",
  async (t) => {
    t.timeout(900_000)
    const setup = await installed.run('vilbert-ts', ['setup', '--json'], 880_000)
    t.is(setup.exitCode, 0, setup.stdout + setup.stderr)
    const venv = join(installed.cache, 'vilbert-ts', 'venv-0.1.0')
    t.like(jsonOf(setup), {venv, changed: true})
    const doctor = await installed.run('vilbert-ts', ['doctor', '--json'])
    t.like(jsonOf(doctor), {ok: true})
    const {python} = await noticedPackages()
    const stamp = JSON.parse(await readFile(join(venv, 'vilbert-ts.json'), 'utf8')) as {
      distributions: string[]
    }
    const names = stamp.distributions.map((name) =>
      name.replace(/-.*$/, '').toLowerCase().replaceAll('_', '-'),
    )
    t.deepEqual(
      names.filter((name) => name !== 'pip' && !python.has(name)),
      [],
    )
  },
)

test.serial('demo learns to read in the empty folder, and the script uses what it made', async (t) => {
  t.timeout(900_000)
  const demo = await installed.run('vilbert-ts', ['demo', '--json'], 880_000)
  t.is(demo.exitCode, 0, demo.stdout + demo.stderr)
  t.deepEqual(unlike('demo', jsonOf(demo)), [])
  const {accuracy, predictions} = jsonOf(demo) as {
    accuracy: number
    predictions: {image: number; picture: string}[]
  }
  t.true(accuracy > 0.95)
  for (const {picture} of predictions) t.true(existsSync(join(installed.folder, picture)), picture)
  const question = ['data/demo', 'checkpoints/demo/best.pdparams', `${predictions[0]?.image ?? 0}`]
  const script = await installed.run('node', ['ask.js', ...question], 300_000)
  t.is(script.exitCode, 0, script.stderr)
  const answer = jsonOf(script) as Answer
  t.like(answer, {presets: ['bert_base_6layer_6conect', 'tiny'], accuracy})
  t.regex(answer.refused, /nowhere/)
  t.deepEqual(
    answer.predictions.map(({phrase, regions}) => [phrase, regions.length]),
    [
      ['red circle', 2],
      ['the left one', 2],
    ],
  )
  t.true(answer.counts.length > 0)
})
