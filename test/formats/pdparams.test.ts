import test from 'ava'
import {createHash} from 'node:crypto'
import {readFileSync} from 'node:fs'
import {join} from 'node:path'

import {FileSource} from '../../src/formats/byte-source.js'
import type {ByteSource} from '../../src/formats/byte-source.js'
import {readModelFile} from '../../src/formats/pdparams.js'
import {tensorPieces} from '../../src/formats/stored-tensor.js'
import type {StoredTensor} from '../../src/formats/stored-tensor.js'
import {packageRoot} from '../../src/paths.js'

type Sample = {
  readonly file: string
  readonly origin: string
  readonly variant: string
  readonly container: string
  readonly name_table: Record<string, string> | null
  readonly tensors: readonly {name: string; path: string[]; dtype: string; shape: number[]; sha256: string}[]
  readonly scalars: Record<string, unknown>
}

const folder = join(packageRoot, 'test', 'fixtures', 'samples')
const {samples} = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as {
  samples: readonly Sample[]
}

test('there are samples of all 49 forms', (t) => {
  t.is(samples.length, 49)
})

for (const {file, variant, container, name_table: nameTable, tensors, scalars} of samples) {
  test(`${file} (${variant}) gives every name, type, shape and number`, (t) => {
    using source = new FileSource(join(folder, file))
    const model = readModelFile(source)
    t.is(model.container.replace('-', '_'), container)
    t.deepEqual(byName(model.tensors.map((tensor) => describe(source, tensor))), byName(tensors))
    t.deepEqual(Object.fromEntries(model.scalars), scalars)
    t.deepEqual(model.nameTable === undefined ? null : Object.fromEntries(model.nameTable), nameTable)
  })
}

test('the golden weights are found without reading them', (t) => {
  const reads: number[] = []
  using file = new FileSource(join(packageRoot, 'test', 'fixtures', 'golden', 'weights.pdparams'))
  const counted: ByteSource = {
    name: file.name,
    sizeBytes: file.sizeBytes,
    windowBytes: file.windowBytes,
    read(offset, lengthBytes) {
      reads.push(lengthBytes)
      return file.read(offset, lengthBytes)
    },
  }
  const {tensors} = readModelFile(counted)
  t.is(tensors.length, 225)
  t.true(reads.reduce((sum, length) => sum + length, 0) < file.sizeBytes / 2)
})

function describe(source: ByteSource, tensor: StoredTensor): Sample['tensors'][number] {
  const hash = createHash('sha256')
  for (const piece of tensorPieces(source, tensor)) hash.update(piece)
  const {name, path, dtype, shape} = tensor
  return {name, path: [...path], dtype, shape: [...shape], sha256: hash.digest('hex')}
}

function byName(tensors: readonly Sample['tensors'][number][]): Record<string, Sample['tensors'][number]> {
  return Object.fromEntries(tensors.map((tensor) => [tensor.name, tensor]))
}
