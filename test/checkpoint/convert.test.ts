import test from 'ava'
import {randomBytes} from 'node:crypto'
import {existsSync, readFileSync, readdirSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'

import {convertCheckpoint} from '../../src/checkpoint/convert.js'
import {diffCheckpoints} from '../../src/checkpoint/diff.js'
import {readCheckpointMetadata} from '../../src/checkpoint/read-metadata.js'
import {indexWeights} from '../../src/checkpoint/tensor-index.js'
import {loadModelConfig} from '../../src/config/load.js'
import {CheckpointError, ConfigError} from '../../src/errors.js'
import {FileSource} from '../../src/formats/byte-source.js'
import {readModelFile} from '../../src/formats/pdparams.js'
import {safetensorsHeader} from '../../src/formats/safetensors-writer.js'
import {readSafetensors} from '../../src/formats/safetensors.js'
import {describeTensors, goldenFolder, sampleFolder, samples, stockLoad} from '../helpers/checkpoint.js'
import type {Described, Sample} from '../helpers/checkpoint.js'
import {emptyFolder} from '../helpers/hostile.js'

const golden = join(goldenFolder, 'weights.pdparams')
const roundTrips = emptyFolder()
const roundTripOf = ({file}: Sample, ending: string): string =>
  join(roundTrips, `${file.replaceAll('.', '_')}${ending}`)

for (const sample of samples) {
  test.serial(
    `${sample.file} goes to JSON and safetensors, back, and round again without a changed bit`,
    async (t) => {
      const input = join(sampleFolder, sample.file)
      const [described, back] = [roundTripOf(sample, '.json'), roundTripOf(sample, '.pdparams')]
      const [plain, again] = [roundTripOf(sample, '-2.safetensors'), roundTripOf(sample, '-2.pdparams')]
      await convertCheckpoint({input, output: described})
      await convertCheckpoint({input: described, output: back})
      await convertCheckpoint({input: back, output: plain})
      await convertCheckpoint({input: plain, output: again})
      t.deepEqual(describeTensors(described), describeTensors(input))
      for (const path of [back, again]) t.deepEqual(contentOf(path), contentOf(input))
      t.true(readFileSync(again).equals(readFileSync(back)))
    },
  )
}

test('stock paddle.load and the safetensors package read what we write, equal', async (t) => {
  const paddleFiles = samples.map((sample) => roundTripOf(sample, '.pdparams'))
  const safetensorsFiles = samples.map((sample) => roundTripOf(sample, '-2.safetensors'))
  const loaded = await stockLoad([...paddleFiles, ...safetensorsFiles])
  for (const sample of samples) {
    const expected = sample.tensors.map(({shape, sha256}) => JSON.stringify([shape, sha256])).sort()
    const found = loaded[roundTripOf(sample, '.pdparams')] ?? []
    t.deepEqual(
      found.map(([, , shape, sha256]) => JSON.stringify([shape, sha256])).sort(),
      expected,
      sample.file,
    )
    if (sample.tensors.every(({path}) => path.length === 1))
      t.deepEqual(
        found.map(([name]) => name),
        sample.tensors.map(({name}) => name).sort(),
        sample.file,
      )
    const hashes = (loaded[roundTripOf(sample, '-2.safetensors')] ?? []).map(([name, , , sha256]) => [
      name,
      sha256,
    ])
    t.deepEqual(hashes, byName(describeTensors(join(sampleFolder, sample.file))), sample.file)
  }
})

test('tensors of several pieces, small ones between them and empty ones keep every byte', async (t) => {
  const folder = emptyFolder()
  const paths = ['large.safetensors', 'there.pdparams', 'back.safetensors'].map((name) => join(folder, name))
  const [input = '', there = '', back = ''] = paths
  const counts = [1_700_003, 3, 0, 524_288, 1, 2_100_001, 0, 7]
  const specs = counts.map((count, at) => ({name: `t${at}`, dtype: 'F32' as const, shape: [count]}))
  const numbers = randomBytes(4 * counts.reduce((sum, count) => sum + count, 0))
  writeFileSync(input, Buffer.concat([safetensorsHeader(specs), numbers]))
  await convertCheckpoint({input, output: there})
  await convertCheckpoint({input: there, output: back})
  for (const path of [there, back]) t.deepEqual(describeTensors(path), describeTensors(input))
  const {tensors} = readCheckpointMetadata(join(folder, 'there.json'))
  t.deepEqual(
    tensors.map(({name, sha256}) => [name, sha256]),
    describeTensors(input).map(([name, , , sha256]) => [name, sha256]),
  )
})

test('bfloat16 is bfloat16 in safetensors and uint16 for numpy, as Paddle has it', async (t) => {
  const folder = emptyFolder()
  const files = [join(folder, 'half.pdparams'), join(folder, 'half.safetensors')]
  for (const output of files) await convertCheckpoint({input: golden, output, dtype: 'bfloat16'})
  const loaded = await stockLoad(files)
  t.true(loaded[files[0] ?? '']?.every(([, dtype]) => dtype === 'u2'))
  t.true(loaded[files[1] ?? '']?.every(([, dtype]) => dtype === 'BF16'))
  const {equal, maxAbsDifference} = await diffCheckpoints({a: files[0] ?? '', b: files[1] ?? ''})
  t.true(equal)
  t.is(maxAbsDifference, 0)
})

test('a description can point into the .pdparams, and is used like one', async (t) => {
  const folder = emptyFolder()
  const input = join(folder, 'model.pdparams')
  writeFileSync(input, readFileSync(golden))
  const config = await loadModelConfig(join(goldenFolder, 'config.json'))
  const {payload} = await convertCheckpoint({
    input,
    output: join(folder, 'model.json'),
    inPlace: true,
    config,
  })
  t.is(payload, input)
  t.deepEqual(readdirSync(folder).sort(), ['model.json', 'model.pdparams'])
  t.deepEqual(await indexWeights(join(folder, 'model.json')), await indexWeights(input))
  writeFileSync(input, Buffer.concat([readFileSync(input), Buffer.alloc(1)]))
  const error = await t.throwsAsync(indexWeights(join(folder, 'model.json')), {instanceOf: CheckpointError})
  t.is(error.code, 'E_META_STALE')
})

test('only what referring expressions need is kept when that is wanted', async (t) => {
  const folder = emptyFolder()
  const config = await loadModelConfig(join(goldenFolder, 'config.json'))
  const output = join(folder, 'small.safetensors')
  const {tensors, dropped} = await convertCheckpoint({input: golden, output, recOnly: true, config})
  t.is(tensors + dropped.length, 225)
  t.true(dropped.includes('linguisic_logit.weight') && dropped.includes('cls.predictions.decoder.weight'))
  const error = await t.throwsAsync(convertCheckpoint({input: golden, output, recOnly: true}), {
    instanceOf: ConfigError,
  })
  t.is(error.code, 'E_NO_MODEL')
})

test('a JSON of something else is not overwritten, nor is the input', async (t) => {
  const folder = emptyFolder()
  writeFileSync(join(folder, 'model.json'), '{"hidden_size": 16}')
  const {metadata} = await convertCheckpoint({input: golden, output: join(folder, 'model.pdparams')})
  t.is(metadata, join(folder, 'model.pdparams.json'))
  const input = join(folder, 'model.pdparams')
  for (const output of [
    join(folder, 'model.json'),
    input,
    join(folder, 'model.txt'),
    join(folder, 'no', 'x.json'),
  ]) {
    const error = await t.throwsAsync(convertCheckpoint({input, output}), {instanceOf: CheckpointError})
    t.regex(error.code, /^E_(?:EXISTS|SAME_FILE|FORMAT|WRITE)$/)
  }
  t.is(readFileSync(join(folder, 'model.json'), 'utf8'), '{"hidden_size": 16}')
})

test('a JSON that is written anew gets a payload of its own, and the old one goes', async (t) => {
  const folder = emptyFolder()
  const output = join(folder, 'model.json')
  const first = await convertCheckpoint({input: golden, output})
  const second = await convertCheckpoint({input: golden, output, dtype: 'float16'})
  const third = await convertCheckpoint({input: golden, output})
  t.is(first.payload, join(folder, 'model.safetensors'))
  t.is(new Set([first.payload, second.payload, third.payload]).size, 3)
  t.false(existsSync(second.payload))
  t.deepEqual(describeTensors(output), describeTensors(golden))
})

test('numbers that do not fit float16 are refused with the name of their tensor', async (t) => {
  const folder = emptyFolder()
  const input = join(sampleFolder, 'mac_np2_p5.pdparams')
  const large = join(folder, 'large.safetensors')
  const text = '{"big.weight":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
  const head = Buffer.alloc(8)
  head.writeBigUInt64LE(BigInt(text.length))
  writeFileSync(
    large,
    Buffer.concat([head, Buffer.from(text), Buffer.from(new Float32Array([1, 1e6]).buffer)]),
  )
  const output = join(folder, 'half.safetensors')
  const error = await t.throwsAsync(convertCheckpoint({input: large, output, dtype: 'float16'}), {
    instanceOf: CheckpointError,
  })
  t.is(error.code, 'E_RANGE')
  t.true(error.message.includes('big.weight'))
  t.deepEqual(readdirSync(folder), ['large.safetensors'])
  await t.notThrowsAsync(convertCheckpoint({input, output}))
})

test('unfinished files of killed processes are cleaned at the next start', async (t) => {
  const folder = emptyFolder()
  const output = join(folder, 'model.safetensors')
  await convertCheckpoint({input: golden, output})
  const [host] = /[A-Za-z0-9]+/.exec((await import('node:os')).hostname().replace(/[^A-Za-z0-9]/g, '')) ?? [
    'host',
  ]
  const left = join(folder, `.model.safetensors.${host.slice(0, 40)}-4194303-0123abcd.tmp`)
  writeFileSync(left, 'half')
  await convertCheckpoint({input: golden, output})
  t.deepEqual(readdirSync(folder).sort(), ['model.json', 'model.safetensors'])
})

// Tables of names are Paddle's own: a safetensors file has none, and gets one on its way.
function contentOf(path: string): unknown {
  using source = new FileSource(path)
  const model = readModelFile(source)
  const names = model.container === 'safetensors' ? undefined : model.nameTable
  return {
    tensors: byName(describeTensors(path)),
    paths: model.tensors.map(({path: keys}) => keys.join('\n')).sort(),
    scalars: new Map([...model.scalars].sort()),
    containers: model.containers.map(({kind, path: keys}) => `${kind} ${keys.join('\n')}`).sort(),
    names: isFromSafetensors(path) || names === undefined ? undefined : [...names].sort(),
  }
}

function isFromSafetensors(path: string): boolean {
  return samples.some(
    (sample) =>
      sample.container === 'safetensors' &&
      (path === join(sampleFolder, sample.file) || path.startsWith(roundTripOf(sample, ''))),
  )
}

function byName(tensors: readonly Described[]): [string, string][] {
  return tensors
    .map(([name, , , sha256]): [string, string] => [name, sha256])
    .sort(([a], [b]) => (a < b ? -1 : 1))
}

test('the data of a safetensors output begin at a multiple of 64 bytes', async (t) => {
  const output = join(emptyFolder(), 'model.safetensors')
  await convertCheckpoint({input: golden, output})
  using source = new FileSource(output)
  t.is((readSafetensors(source).tensors[0]?.pieces[0]?.offset ?? 1) % 64, 0)
})
