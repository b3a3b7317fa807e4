import test from 'ava'
import {readdirSync, readFileSync} from 'node:fs'
import {join} from 'node:path'

import {convertCheckpoint} from '../../src/checkpoint/convert.js'
import {isPayloadName, metadataJsonSchema, metadataSchema} from '../../src/checkpoint/metadata.js'
import {readMetadata} from '../../src/checkpoint/read-metadata.js'
import {FormatError} from '../../src/errors.js'
import {MemorySource} from '../../src/formats/byte-source.js'
import {goldenFolder, sampleFolder} from '../helpers/checkpoint.js'
import {fuzz} from '../helpers/fuzz.js'
import {emptyFolder, hostileFolder} from '../helpers/hostile.js'

const written = await writtenMetadata()

test('what is written is what is read, and what the JSON Schema asks for', (t) => {
  const value: unknown = JSON.parse(written)
  t.deepEqual(readMetadata(new MemorySource('model.json', Buffer.from(written))), metadataSchema.parse(value))
  const schema = metadataJsonSchema() as {
    required: string[]
    properties: object
    additionalProperties: boolean
  }
  const keys = Object.keys(value as object)
  t.false(schema.additionalProperties)
  t.deepEqual(
    schema.required.filter((key) => !keys.includes(key)),
    [],
  )
  t.deepEqual(
    keys.filter((key) => !Object.hasOwn(schema.properties, key)),
    [],
  )
})

test('each wrong value has a code of its own, and its place is named', (t) => {
  const cases: readonly (readonly [string, string, string, string])[] = [
    ['"offset":', '"offset":-', 'E_META_NUMBER', 'tensors[0].offset'],
    [
      '"schema": "vilbert-ts/checkpoint@1"',
      '"schema": "vilbert-ts/checkpoint@2"',
      'E_META_VERSION',
      'version 2',
    ],
    ['"file": "model.safetensors"', '"file": "../model.safetensors"', 'E_META_PATH', '../model.safetensors'],
    ['"recOnly"', '"recOnly_"', 'E_META_KEY', 'history[0].recOnly'],
    ['"dtype":"F32"', '"dtype":"F33"', 'E_META_DTYPE', 'F33'],
    ['"sizeBytes": ', '"sizeBytes": 0.', 'E_META_NUMBER', 'sizeBytes'],
  ]
  for (const [right, wrong, code, named] of cases) {
    const changed = written.replace(right, wrong)
    t.not(changed, written, right)
    const error = t.throws(() => readMetadata(new MemorySource('model.json', Buffer.from(changed))), {
      instanceOf: FormatError,
    })
    t.is(error.code, code)
    t.true(error.message.includes(named), error.message)
  }
})

test('only names in the same folder are payloads', (t) => {
  for (const name of [
    'best.pdparams',
    'mein modell.safetensors',
    'größe-2.pdparams',
    '模型.safetensors',
    '_x(1).pdparams',
  ])
    t.true(isPayloadName(name), name)
  for (const name of [
    '',
    '.',
    '..',
    'a/b',
    'a\\b',
    '/x',
    'C:x',
    'a..b',
    '.x',
    'x.',
    'x ',
    '~x',
    'a\0b',
    'a\nb',
    '%2e%2e',
    'x\u202e',
  ])
    t.false(isPayloadName(name), JSON.stringify(name))
})

test('damaged descriptions are read or refused, and nothing else', (t) => {
  const hostile = join(hostileFolder, 'metadata')
  const originals = [Buffer.from(written.slice(0, 4000)), Buffer.from(written)].concat(
    readdirSync(hostile)
      .filter((name) => name !== 'meta_empty.json')
      .map((name) => readFileSync(join(hostile, name))),
  )
  const read = (bytes: Buffer): void => {
    if (bytes.length > 0) readMetadata(new MemorySource('mutant', bytes))
  }
  const report = fuzz(originals, read, {seed: 11, timeMs: 1000, slowestMs: 2000})
  t.deepEqual(report.failures, [])
  t.is(Reflect.get({}, 'polluted'), undefined)
  t.log(`${report.mutants} mutants, ${report.accepted} of them readable`)
})

async function writtenMetadata(): Promise<string> {
  const folder = emptyFolder()
  const output = join(folder, 'model.json')
  await convertCheckpoint({input: join(sampleFolder, 'pd331_npscalar_p4.pdopt'), output})
  await convertCheckpoint({input: join(goldenFolder, 'weights.pdparams'), output: join(folder, 'other.json')})
  return readFileSync(output, 'utf8')
}
