import test from 'ava'
import {join} from 'node:path'
import {loadModelConfig, parseModelConfig} from '../../src/config/load.js'
import {parameterCount} from '../../src/config/model.js'
import {ConfigProblemsError} from '../../src/config/problems.js'
import {packageRoot} from '../../src/paths.js'
import {presetFile, presetNames} from '../../src/presets.js'

const fixture = (name: string) => join(packageRoot, 'test', 'fixtures', 'config', name)
const small = await loadModelConfig(fixture('small.json'))

test('the published configuration is valid as it is and has 275,588,995 parameters', async (t) => {
  const model = await loadModelConfig(fixture('bert_base_6layer_6conect.json'))
  t.is(parameterCount(model), 275_588_995)
  t.is(model.fusion_method, 'mul')
  t.is(model.fixed_t_layer, 0)
})

test('a small configuration has as many parameters as its checkpoint', (t) => {
  t.is(parameterCount(small), SMALL_CHECKPOINT_PARAMETERS)
})

/** Sum of the sizes of all tensors of the reference checkpoint made with small.json. */
const SMALL_CHECKPOINT_PARAMETERS = 1_100_598

test('every preset is valid, and the published one is the published file', async (t) => {
  const names = await presetNames()
  t.true(names.includes('bert_base_6layer_6conect'))
  for (const name of names) await t.notThrowsAsync(loadModelConfig(presetFile(name)))
  t.deepEqual(
    await loadModelConfig(presetFile('bert_base_6layer_6conect')),
    await loadModelConfig(fixture('bert_base_6layer_6conect.json')),
  )
})

const broken: readonly (readonly [string, Partial<typeof small>, string])[] = [
  [
    'text heads that do not divide the width',
    {num_attention_heads: 3},
    'num_attention_heads must divide hidden_size',
  ],
  [
    'image heads that do not divide the width',
    {v_num_attention_heads: 5},
    'v_num_attention_heads must divide',
  ],
  [
    'co-attention heads that do not divide the width',
    {bi_num_attention_heads: 3},
    'bi_num_attention_heads must',
  ],
  ['a co-attention layer that does not exist', {v_biattention_id: [0, 3]}, 'may name layers 0 to 2'],
  [
    'repeated co-attention layers',
    {t_biattention_id: [1, 1]},
    't_biattention_id must ascend without repetition',
  ],
  ['co-attention lists of different length', {t_biattention_id: [1]}, 'as long as t_biattention_id'],
  [
    'more fixed layers than layers',
    {fixed_t_layer: 5},
    'fixed_t_layer must be at most num_hidden_layers (4)',
  ],
  ['a model that fits no machine', {hidden_size: 65_536, num_hidden_layers: 256}, 'parameters'],
  ['no layers to meet in', {v_biattention_id: []}, 'must have at least 1 entries'],
]

for (const [what, change, sentence] of broken) {
  test(`${what}: refused with a sentence`, (t) => {
    const error = t.throws(() => parseModelConfig({...small, ...change}, 'best.json'), {
      instanceOf: ConfigProblemsError,
    })
    t.is(error.exitCode, 3)
    t.true(error.message.includes(sentence), error.message)
  })
}
