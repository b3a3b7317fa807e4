import test from 'ava'
import {readFileSync} from 'node:fs'
import {join} from 'node:path'

import {goldenFolder} from '../helpers/checkpoint.js'
import {jsonOf, runCli} from '../helpers/cli.js'
import {emptyFolder} from '../helpers/hostile.js'
import {python} from '../helpers/python.js'

const golden = join(goldenFolder, 'weights.pdparams')
const config = join(goldenFolder, 'config.json')
/** Where no Python can be found, so that a command that needs one fails. */
const withoutPython = {env: {PATH: '', VILBERT_TS_PYTHON: '/bin/false'}}

test('inspect shows a checkpoint without Python, as text and as JSON', async (t) => {
  const text = await runCli(['checkpoint', 'inspect', golden], withoutPython)
  t.like(text, {exitCode: 0, stderr: ''})
  t.regex(text.stdout, /^tensors +225 \(225 F32\), 1,100,598 numbers$/m)
  t.regex(text.stdout, /^vision_logit\.weight +F32 +\[24, 1\]$/m)
  const json = await runCli(['checkpoint', 'inspect', golden, '--stats', '--json'], withoutPython)
  t.like(jsonOf(json), {container: 'pickle', numbers: 1_100_598, metadataState: 'missing'})
})

test('convert goes there and back without Python, and diff finds nothing', async (t) => {
  const cwd = emptyFolder()
  const there = await runCli(['checkpoint', 'convert', golden, 'model.json', '--json'], {
    ...withoutPython,
    cwd,
  })
  t.like(jsonOf(there), {output: 'model.json', payload: 'model.safetensors', tensors: 225, check: null})
  const back = await runCli(['checkpoint', 'convert', 'model.json', 'back.pdparams'], {...withoutPython, cwd})
  t.is(back.stdout.split('\n')[1], 'back.json: what it holds and where it comes from')
  const equal = await runCli(['checkpoint', 'diff', golden, 'back.pdparams'], {...withoutPython, cwd})
  t.like(equal, {exitCode: 0, stdout: 'equal: 225 tensors, largest difference 0\n', stderr: ''})
})

test('diff ends with exit code 8 when two checkpoints differ by more than the tolerance', async (t) => {
  const cwd = emptyFolder()
  await runCli(['checkpoint', 'convert', golden, 'half.safetensors', '--dtype', 'float16'], {
    ...withoutPython,
    cwd,
  })
  const differs = await runCli(['checkpoint', 'diff', golden, 'half.safetensors', '--json'], {
    ...withoutPython,
    cwd,
  })
  t.is(differs.exitCode, 8)
  t.like(jsonOf(differs), {equal: false, onlyInA: [], compared: 225})
  const args = ['checkpoint', 'diff', golden, 'half.safetensors', '--tolerance', '-1']
  t.is((await runCli(args, {...withoutPython, cwd})).exitCode, 2)
})

test('convert --check runs both files and writes the largest difference into the JSON', async (t) => {
  const cwd = emptyFolder()
  const args = [
    'checkpoint',
    'convert',
    golden,
    'half.pdparams',
    '--dtype',
    'bfloat16',
    '--config',
    config,
    '--check',
  ]
  const result = await runCli(args, {cwd, env: {VILBERT_TS_PYTHON: python}})
  t.is(result.exitCode, 0, result.stderr)
  const metadata = JSON.parse(readFileSync(join(cwd, 'half.json'), 'utf8')) as {
    history: {check: {largestDifference: number; outputs: Record<string, number>}}[]
  }
  const check = metadata.history.at(-1)?.check
  t.true((check?.largestDifference ?? 0) > 0 && (check?.largestDifference ?? 1) < 0.1)
  t.is(Object.keys(check?.outputs ?? {}).length, 7)
})

test('convert says in a sentence what it cannot do, and leaves nothing', async (t) => {
  const cwd = emptyFolder()
  const refused = await runCli(['checkpoint', 'convert', golden, 'model.onnx'], {...withoutPython, cwd})
  t.is(refused.exitCode, 4)
  t.regex(refused.stderr, /^Error: model\.onnx has an ending that no conversion writes\.\nNext: /)
  const needsModel = await runCli(['checkpoint', 'convert', golden, 'x.pdparams', '--rec-only'], {cwd})
  t.is(needsModel.exitCode, 3)
})

test('schema prints the JSON Schema of the JSON beside checkpoints', async (t) => {
  const schema = await runCli(['checkpoint', 'schema'], withoutPython)
  t.like(jsonOf(schema), {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'vilbert-ts checkpoint',
  })
  t.deepEqual(jsonOf(await runCli(['checkpoint', 'schema', '--json'], withoutPython)), jsonOf(schema))
})
