import test from 'ava'
import {readdirSync, readFileSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'

import {goldenFolder} from '../helpers/checkpoint.js'
import {jsonOf, runCli} from '../helpers/cli.js'
import {emptyFolder, hostileFolder} from '../helpers/hostile.js'

const golden = join(goldenFolder, 'weights.pdparams')
const withoutPython = {env: {PATH: '', VILBERT_TS_PYTHON: '/bin/false'}}

test('verify finds good files good, every kind in a folder', async (t) => {
  const result = await runCli(['verify', join(goldenFolder, 'data-root'), golden, '--json'], withoutPython)
  t.like(result, {exitCode: 0, stderr: ''})
  const found = jsonOf(result) as {
    kind: string
    ok: boolean
    code: unknown
    message: unknown
    where: unknown
  }[]
  t.deepEqual(
    found.map(({kind}) => kind),
    ['instances', 'refs', 'lmdb', 'lmdb', 'pdparams'],
  )
  t.true(
    found.every(({ok, code, message, where}) => ok && code === null && message === null && where === null),
  )
})

test('verify names what is wrong and where, and ends with exit code 4', async (t) => {
  const bad = join(hostileFolder, 'pdparams', 'trunc4_2.pdparams')
  const text = await runCli(['verify', golden, bad], withoutPython)
  t.is(text.exitCode, 4)
  t.regex(text.stdout, /^ok {3}.*weights\.pdparams \(pdparams\)\nbad {2}.* \[E_[A-Z_]+\]\n2 files, 1 bad\n$/)
  const [found] = jsonOf(await runCli(['verify', bad, '--json'], withoutPython)) as {where: string}[]
  t.regex(found?.where ?? '', /^byte \d+$/)
})

test('verify --config checks names, shapes and types of the whole model', async (t) => {
  const fits = await runCli(['verify', golden, '--config', join(goldenFolder, 'config.json')], withoutPython)
  t.is(fits.exitCode, 0, fits.stdout)
  const other = await runCli(
    ['verify', golden, '--config', 'bert_base_6layer_6conect', '--json'],
    withoutPython,
  )
  t.is(other.exitCode, 4)
  t.like((jsonOf(other) as object[])[0] ?? {}, {ok: false, code: 'E_MISSING'})
})

test('verify finds one changed number by the checksums of the JSON beside the file', async (t) => {
  const cwd = emptyFolder()
  await runCli(['checkpoint', 'convert', golden, 'model.safetensors'], {...withoutPython, cwd})
  const file = join(cwd, 'model.safetensors')
  const bytes = readFileSync(file)
  const at = 1_000_001
  bytes[at] = (bytes[at] ?? 0) ^ 1
  writeFileSync(file, bytes)
  const [json, weights] = jsonOf(await runCli(['verify', '.', '--json'], {...withoutPython, cwd})) as {
    code: string
    message: string
  }[]
  t.deepEqual([json?.code, weights?.code], ['E_CHECKSUM', 'E_CHECKSUM'])
  t.true(weights?.message.includes('bert.embeddings.word_embeddings.weight'))
})

test('verify leaves nothing behind and says what it does not know', async (t) => {
  const cwd = emptyFolder()
  const paths = [join(hostileFolder, 'pdparams'), '/nowhere/at.all', cwd, '/dev/null']
  const result = await runCli(['verify', ...paths, '--json'], {...withoutPython, cwd})
  t.is(result.exitCode, 4)
  const found = jsonOf(result) as {kind: string; code: string | null}[]
  t.deepEqual(
    found.slice(-3).map(({code}) => code),
    ['E_IO', 'E_NOT_FILE', 'E_FORMAT'],
  )
  t.deepEqual(readdirSync(cwd), [])
})
