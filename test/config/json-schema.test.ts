import test from 'ava'
import {join} from 'node:path'
import {jsonSchema, schemaNames} from '../../src/config/json-schema.js'
import {loadModelConfig} from '../../src/config/load.js'
import {modelConfigSchema} from '../../src/config/model.js'
import {trainingConfigSchema} from '../../src/config/training.js'
import {packageRoot} from '../../src/paths.js'
import {accepts, type JsonSchema} from '../helpers/json-schema.js'

const model = await loadModelConfig(join(packageRoot, 'test', 'fixtures', 'config', 'small.json'))
const modelSchema = jsonSchema('model') as JsonSchema
const trainingSchema = jsonSchema('training') as JsonSchema

test('every schema is draft 2020-12, closed, and describes each of its keys', (t) => {
  for (const name of schemaNames) {
    const schema = jsonSchema(name) as JsonSchema
    t.is(schema.$schema, 'https://json-schema.org/draft/2020-12/schema')
    t.is(schema.additionalProperties, false)
    for (const [key, property] of Object.entries(schema.properties ?? {})) {
      t.is(typeof property.description, 'string', `${name}.${key}`)
    }
  }
})

test('defaults stand in the schema', (t) => {
  t.is(trainingSchema.properties?.['lr']?.default, 4e-5)
  t.deepEqual(trainingSchema.properties?.['decayEpochs']?.default, [12, 16])
})

test('what needs no rule between fields is judged alike by the JSON Schema and by zod', (t) => {
  const models: unknown[] = [model, [], null, {...model, hidden_size: undefined}]
  for (const value of ['16', 0, -1, 16.5, null, 1e9, true]) models.push({...model, hidden_size: value})
  for (const value of [1, 1.5, -0.1, 0]) models.push({...model, hidden_dropout_prob: value})
  models.push(
    {...model, hidden_act: 'tanh'},
    {...model, hiden_size: 1},
    {...model, v_biattention_id: ['0', 2]},
  )
  for (const value of models) {
    const plain: unknown = JSON.parse(JSON.stringify(value))
    t.is(accepts(modelSchema, plain), modelConfigSchema.safeParse(plain).success, JSON.stringify(plain))
  }
  const trainings: unknown[] = [
    {},
    {lr: 0},
    {lr: 1e-3, headLr: null},
    {headLr: 0},
    {recipe: 'x'},
    {seed: 2 ** 32},
  ]
  trainings.push({decayEpochs: []}, {decayEpochs: [0]}, {shuffle: 1}, {clip: null}, {epoch: 1}, {maxSteps: 5})
  for (const value of trainings) {
    t.is(accepts(trainingSchema, value), trainingConfigSchema.safeParse(value).success, JSON.stringify(value))
  }
})
