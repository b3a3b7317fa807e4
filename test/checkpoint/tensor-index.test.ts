import test from 'ava'
import {createHash} from 'node:crypto'
import {copyFileSync, existsSync, readFileSync, readdirSync, truncateSync} from 'node:fs'
import {join} from 'node:path'

import {indexWeights} from '../../src/checkpoint/tensor-index.js'
import {CheckpointError} from '../../src/errors.js'
import {packageRoot} from '../../src/paths.js'
import {emptyFolder} from '../helpers/hostile.js'

type Sample = {
  readonly file: string
  readonly tensors: readonly {name: string; dtype: string; shape: number[]; sha256: string}[]
}

const folder = join(packageRoot, 'test', 'fixtures', 'samples')
const {samples} = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as {
  samples: readonly Sample[]
}

for (const {file, tensors} of samples.filter((sample) => sample.tensors.length > 0)) {
  test(`the index of ${file} points to the raw numbers of every tensor`, async (t) => {
    const index = await indexWeights(join(folder, file), {cacheDir: emptyFolder()})
    const bytes = readFileSync(index.file)
    const found = index.tensors.map(({name, dtype, shape, offset, nbytes}) => {
      const sha256 = createHash('sha256')
        .update(bytes.subarray(offset, offset + nbytes))
        .digest('hex')
      return [name, {dtype, shape: [...shape], sha256}]
    })
    const expected = tensors.map(({name, dtype, shape, sha256}) => [name, {dtype, shape, sha256}])
    t.deepEqual(Object.fromEntries(found), Object.fromEntries(expected))
  })
}

test('numbers that lie raw in the file are not copied', async (t) => {
  const cacheDir = join(emptyFolder(), 'cache')
  const file = join(folder, 'pd331_state_p4.pdparams')
  t.is((await indexWeights(file, {cacheDir})).file, file)
  t.false(existsSync(cacheDir))
})

test('numbers stored as text are decoded once, and again when the decoded file is damaged', async (t) => {
  const root = emptyFolder()
  const file = join(root, 'weights.pdparams')
  copyFileSync(join(folder, 'pd20_py3_p2_state.pdparams'), file)
  const first = await indexWeights(file)
  const bytes = readFileSync(first.file)
  t.deepEqual(await indexWeights(file), first)
  truncateSync(first.file, bytes.length - 4)
  t.deepEqual(await indexWeights(file), first)
  t.true(readFileSync(first.file).equals(bytes))
  t.deepEqual(
    readdirSync(join(root, '.vilbert-ts')).filter((name) => name.endsWith('.tmp')),
    [],
  )
})

test('a file without tensors is no model', async (t) => {
  const error = await t.throwsAsync(indexWeights(join(folder, 'pd331_empty_p4.pdparams')), {
    instanceOf: CheckpointError,
  })
  t.is(error.code, 'E_NO_TENSORS')
})
