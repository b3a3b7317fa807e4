import test from 'ava'
import {readFileSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {z} from 'zod'

import {openCheckpoint} from '../../src/checkpoint/checkpoint-file.js'
import {checkConversion} from '../../src/checkpoint/check-conversion.js'
import {convertCheckpoint} from '../../src/checkpoint/convert.js'
import {metadataForm, metadataSchema, metadataText} from '../../src/checkpoint/metadata.js'
import {outputTensor} from '../../src/checkpoint/output-tensor.js'
import {pdparamsSegments} from '../../src/checkpoint/pdparams-segments.js'
import {readSidecar} from '../../src/checkpoint/sidecar.js'
import {indexWeights} from '../../src/checkpoint/tensor-index.js'
import {writeSegments} from '../../src/checkpoint/write-segments.js'
import {loadModelConfig} from '../../src/config/load.js'
import {CheckpointError} from '../../src/errors.js'
import {openAtomic} from '../../src/files.js'
import {verifyPaths} from '../../src/verify/verify.js'
import {describeTensors, goldenFolder, runFixture} from '../helpers/checkpoint.js'
import {emptyFolder} from '../helpers/hostile.js'
import {openBridge, python} from '../helpers/python.js'

const golden = join(goldenFolder, 'weights.pdparams')
const config = await loadModelConfig(join(goldenFolder, 'config.json'))
const written = {reply: z.record(z.string(), z.unknown())}

test('Python and TypeScript write the same .pdparams, byte by byte, and the same JSON of it', async (t) => {
  const folder = emptyFolder()
  const [ours, theirs] = [join(folder, 'ours.pdparams'), join(folder, 'theirs.pdparams')]
  const request = {config, weights: await indexWeights(golden), output: theirs}
  const said = await openBridge(t).call('checkpoint_twin:load_and_save', request, written)
  await convertCheckpoint({input: theirs, output: ours})
  t.true(readFileSync(ours).equals(readFileSync(theirs)))
  const sidecar = readSidecar(ours)
  const {file, sizeBytes, sampleSha256, tensors} = sidecar?.metadata ?? {}
  t.deepEqual({...said, file: 'ours.pdparams'}, {file, sizeBytes, sampleSha256, tensors} as never)
  t.deepEqual(describeTensors(theirs).sort(), describeTensors(golden).sort())
})

test('a JSON of another version of the file is noticed, and its configuration is used only for the same model', async (t) => {
  const folder = emptyFolder()
  const output = join(folder, 'last.pdparams')
  await convertCheckpoint({input: golden, output, config})
  const json = join(folder, 'last.json')
  const before = readFileSync(json)
  await convertCheckpoint({input: golden, output, dtype: 'float16', config})
  writeFileSync(json, before)
  t.false(readSidecar(output)?.isCurrent)
  const [description, weights] = await verifyPaths({paths: [folder]})
  t.deepEqual([description?.code, weights?.code], ['E_META_STALE', 'E_META_STALE'])
  const {resolveModel} = await import('../../src/model/model-source.js')
  t.deepEqual((await resolveModel({fromPretrained: output})).config, config)
  await convertCheckpoint({input: golden, output, recOnly: true, config})
  writeFileSync(json, before)
  const error = await t.throwsAsync(resolveModel({fromPretrained: output}), {instanceOf: CheckpointError})
  t.is(error.code, 'E_META_STALE')
})

test('the form of 2021, whose weight_g has shape [1], loads into the model and gives the same outputs', async (t) => {
  const folder = emptyFolder()
  const old = join(folder, 'paddle_model_19.pdparams')
  await writeAsIn2021(old)
  const scales = describeTensors(old).filter(([name]) => name.endsWith('.weight_g'))
  t.deepEqual(
    scales.map(([, , shape]) => shape),
    [[1], [1]],
  )
  const [checked] = await verifyPaths({paths: [old], config})
  t.is(checked?.message, null)
  const {payload, metadata} = await convertCheckpoint({input: golden, output: join(folder, 'new.pdparams')})
  const outcome = await checkConversion({input: old, payload, metadata}, {config, python})
  t.is(outcome.largestDifference, 0)
  t.is(Object.keys(outcome.outputs).length, 7)
})

test('the weights of PyTorch come out as those they were made from', async (t) => {
  const folder = emptyFolder()
  const input = join(folder, 'pytorch_model_8.bin')
  await runFixture('torch_twin.py', golden, input)
  const output = join(folder, 'start.pdparams')
  const result = await convertCheckpoint({input, output, config})
  t.like(result, {tensors: 225, renamed: 225, missing: [], dropped: ['module.bert.embeddings.position_ids']})
  t.deepEqual(describeTensors(output).sort(), describeTensors(golden).sort())
  const outcome = await checkConversion(result, {config, python})
  t.is(outcome.largestDifference, 0)
  t.deepEqual(readSidecar(output)?.metadata.history.at(-1)?.check, outcome)
})

test('weights of PyTorch that do not fit are refused with their names', async (t) => {
  const folder = emptyFolder()
  const input = join(folder, 'other.bin')
  const output = join(folder, 'start.pdparams')
  const refusal = async (...options: readonly string[]): Promise<CheckpointError> => {
    await runFixture('torch_twin.py', golden, input, ...options)
    return t.throwsAsync(convertCheckpoint({input, output, config}), {instanceOf: CheckpointError})
  }
  const unknown = await refusal('--rename', 'module.vil_logit.weight=module.vil_logits.weight')
  t.is(unknown.code, 'E_TORCH_NAMES')
  t.true(
    unknown.message.includes('module.vil_logits.weight') && unknown.message.includes('for vil_logit.weight?'),
  )
  const missing = await refusal('--drop', 'module.bert.t_pooler.dense.bias')
  t.is(missing.code, 'E_MISSING')
  t.true(missing.message.includes('bert.t_pooler.dense.bias'))
  await runFixture('torch_twin.py', golden, input, '--drop', 'module.vision_logit.bias')
  t.deepEqual((await convertCheckpoint({input, output, config})).missing, ['vision_logit.bias'])
})

test('what a run writes beside its checkpoints is of the published form', (t) => {
  const {tensors, ...head} = {
    schema: metadataForm,
    file: 'best.pdparams',
    sizeBytes: 8,
    sampleSha256: '0'.repeat(64),
    producer: {name: 'vilbert-ts', version: '0.1.0', paddle: '3.3.1', numpy: '2.0.0'},
    config,
    training: {step: 3, epoch: 1, recipe: 'seed', seed: 42},
    metrics: {valAccuracy: 0.5},
    tensors: [{name: 'a', dtype: 'F32' as const, shape: [2], offset: 0, nbytes: 8, sha256: '0'.repeat(64)}],
  }
  const metadata = metadataSchema.parse({...head, tensors})
  t.deepEqual(metadataSchema.parse(JSON.parse(metadataText(metadata))), metadata)
})

async function writeAsIn2021(path: string): Promise<void> {
  using input = openCheckpoint(golden)
  const outputs = input.tensors.map((tensor) => {
    const shape = tensor.name.endsWith('.weight_g') ? [1] : tensor.shape
    return outputTensor(input.source, tensor, {shape})
  })
  await using file = await openAtomic(path)
  await writeSegments(file, pdparamsSegments(outputs, input.structure))
  await file.commit()
}
