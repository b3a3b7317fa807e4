import test from 'ava'
import {readFileSync} from 'node:fs'
import {join} from 'node:path'

import {isSameShape, knownShape, modelSpec, unusedPrefixes} from '../../src/checkpoint/model-spec.js'
import {loadModelConfig} from '../../src/config/load.js'
import {parameterCount} from '../../src/config/model.js'
import {describeTensors, goldenFolder} from '../helpers/checkpoint.js'
import {anything, openBridge} from '../helpers/python.js'

const full = await loadModelConfig(join(goldenFolder, 'config-full.json'))
const small = await loadModelConfig(join(goldenFolder, 'config.json'))

test('the published configuration has the names and shapes of the published model', (t) => {
  const published = JSON.parse(readFileSync(join(goldenFolder, 'state_dict_full.json'), 'utf8')) as object
  const spec = modelSpec(full)
  t.is(spec.size, 545)
  t.deepEqual(Object.fromEntries(spec), published as never)
  const numbers = [...spec.values()].reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0)
  t.is(numbers, parameterCount(full))
})

test('a small configuration has the names and shapes of its weights', (t) => {
  const weights = describeTensors(join(goldenFolder, 'weights.pdparams'))
  t.deepEqual(
    new Map([...modelSpec(small)].sort()),
    new Map(weights.map(([name, , shape]) => [name, shape] as const).sort()),
  )
})

test('what referring expressions do not need is the same here and in Python', async (t) => {
  const bridge = openBridge(t)
  for (const config of [small, full]) {
    const prefixes = await bridge.call('checkpoint_twin:unused', {config}, anything)
    t.deepEqual([...unusedPrefixes(config)].sort(), (prefixes as string[]).sort())
  }
})

test('a name tells what its shape can be', (t) => {
  t.deepEqual(knownShape('vision_logit.weight'), [null, 1])
  t.deepEqual(knownShape('bert.encoder.v_layer.11.output.LayerNorm.bias'), [null])
  t.is(knownShape('linguistic_logit.weight'), undefined)
  t.is(knownShape('bert.encoder.x_layer.1.output.dense.bias'), undefined)
})

test('the scale of Paddle 2 has the shape of that of Paddle 3', (t) => {
  t.true(isSameShape([1], []))
  t.false(isSameShape([1, 1], []))
  t.false(isSameShape([2], []))
})
