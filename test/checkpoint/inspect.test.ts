import test from 'ava'
import {join} from 'node:path'

import {convertCheckpoint} from '../../src/checkpoint/convert.js'
import {diffCheckpoints} from '../../src/checkpoint/diff.js'
import {inspectCheckpoint} from '../../src/checkpoint/inspect.js'
import {goldenFolder, sampleFolder} from '../helpers/checkpoint.js'
import {emptyFolder} from '../helpers/hostile.js'

const golden = join(goldenFolder, 'weights.pdparams')

test('a checkpoint shows its tensors, types, scalars and where it comes from', async (t) => {
  const optimizer = await inspectCheckpoint({file: join(sampleFolder, 'pd331_npscalar_p4.pdopt')})
  t.like(optimizer, {
    container: 'pickle',
    numbers: 20,
    dtypes: {F32: 8},
    metadata: null,
    metadataState: 'missing',
  })
  t.deepEqual(optimizer.scalars[1], {path: ['LR_Scheduler', 'last_lr'], value: 0.01})
  const output = join(emptyFolder(), 'model.safetensors')
  await convertCheckpoint({input: golden, output})
  const converted = await inspectCheckpoint({file: output})
  t.like(converted, {container: 'safetensors', metadataState: 'current'})
  t.is(converted.metadata?.source?.file, 'weights.pdparams')
  t.is(converted.tensors.length, 225)
  t.deepEqual(
    (await inspectCheckpoint({file: output.replace('.safetensors', '.json')})).tensors,
    converted.tensors,
  )
})

test('statistics are those of the numbers, in every type', async (t) => {
  const {tensors} = await inspectCheckpoint({
    file: join(sampleFolder, 'pd331_dtypes_p4.pdparams'),
    stats: true,
  })
  const byName = new Map(tensors.map(({name, stats}) => [name, stats]))
  for (const name of ['float16', 'bfloat16', 'float32', 'float64']) {
    t.like(byName.get(name), {min: 0, max: 100, mean: 17.75, zeros: 2, nonFinite: 0})
  }
  t.like(byName.get('int64'), {min: 0, max: 100, zeros: 2})
  t.deepEqual(byName.get('zero_size'), {min: null, max: null, mean: null, std: null, zeros: 0, nonFinite: 0})
  t.is(byName.get('complex64'), undefined)
})

test('a file is equal to itself in another form, and differs by as much as it was rounded', async (t) => {
  const folder = emptyFolder()
  const [same, half] = [join(folder, 'same.json'), join(folder, 'half.pdparams')]
  await convertCheckpoint({input: golden, output: same})
  await convertCheckpoint({input: golden, output: half, dtype: 'bfloat16'})
  t.like(await diffCheckpoints({a: golden, b: same}), {equal: true, compared: 225, maxAbsDifference: 0})
  const diff = await diffCheckpoints({a: golden, b: half})
  t.false(diff.equal)
  t.is(diff.tensors.length, 225)
  t.true(diff.maxAbsDifference > 0 && diff.maxAbsDifference < 0.05)
  const sample = join(sampleFolder, 'pd331_dtypes_p4.pdparams')
  t.true((await diffCheckpoints({a: sample, b: sample})).equal)
  const other = await diffCheckpoints({a: golden, b: join(sampleFolder, 'pd331_state_p4.pdparams')})
  t.true(other.onlyInA.length > 200 && other.tensors.some(({maxAbsDifference}) => maxAbsDifference === null))
})
