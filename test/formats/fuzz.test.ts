import test from 'ava'
import {readdirSync, readFileSync} from 'node:fs'
import {join} from 'node:path'

import {MemorySource} from '../../src/formats/byte-source.js'
import type {ByteSource} from '../../src/formats/byte-source.js'
import {readInstances} from '../../src/formats/instances.js'
import {Lmdb} from '../../src/formats/lmdb.js'
import {readModelFile} from '../../src/formats/pdparams.js'
import {readRefs} from '../../src/formats/refer.js'
import {RegionReader, regionEntries} from '../../src/formats/region-values.js'
import {readSafetensors} from '../../src/formats/safetensors.js'
import {tensorPieces} from '../../src/formats/stored-tensor.js'
import {packageRoot} from '../../src/paths.js'
import {fuzz, fuzzOptions} from '../helpers/fuzz.js'

const folder = join(packageRoot, 'test', 'fixtures', 'samples')
const samples = (pattern: RegExp): Buffer[] =>
  readdirSync(folder)
    .filter((name) => pattern.test(name))
    .map((name) => readFileSync(join(folder, name)))

const readers: readonly {name: string; originals: Buffer[]; read: (source: ByteSource) => void}[] = [
  {name: 'parameter files', originals: samples(/\.pd(?:params|opt|tensor)$/), read: readWhole},
  {name: 'safetensors', originals: samples(/safetensors/), read: readSafetensors},
  {name: 'refs', originals: samples(/^refs_/), read: (source) => readRefs(source)},
  {name: 'instances', originals: samples(/^instances/), read: readInstances},
  {
    name: 'LMDBs',
    originals: ['lmdb_py2_str', 'lmdb_py36_ordereddict', 'lmdb_py38_dict'].map((name) =>
      readFileSync(join(folder, name, 'data.mdb')),
    ),
    read: readLmdb,
  },
]

for (const [index, {name, originals, read}] of readers.entries()) {
  test(`damaged ${name} are read or refused, and nothing else`, (t) => {
    const report = fuzz(
      originals,
      (bytes) => {
        if (bytes.length > 0) read(new MemorySource('mutant', bytes))
      },
      fuzzOptions(index + 1),
    )
    t.deepEqual(report.failures, [])
    t.true(report.mutants > 100)
    t.is(Reflect.get({}, 'polluted'), undefined)
    t.log(`${report.mutants} mutants, ${report.accepted} of them readable`)
  })
}

function readWhole(source: ByteSource): void {
  for (const tensor of readModelFile(source).tensors)
    for (const piece of tensorPieces(source, tensor)) piece.at(0)
}

function readLmdb(source: ByteSource): void {
  using lmdb = new Lmdb(source)
  const ignore = (): void => undefined
  const reader = new RegionReader(lmdb, 2048)
  for (const [imageId, entry] of regionEntries(lmdb, ignore)) reader.read(imageId, entry, ignore)
}
