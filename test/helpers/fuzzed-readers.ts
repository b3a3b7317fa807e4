import {readdirSync, readFileSync} from 'node:fs'
import {join} from 'node:path'

import {readMetadata} from '../../src/checkpoint/read-metadata.js'
import {MemorySource} from '../../src/formats/byte-source.js'
import type {ByteSource} from '../../src/formats/byte-source.js'
import {readInstances} from '../../src/formats/instances.js'
import {Lmdb} from '../../src/formats/lmdb.js'
import {readNpyDict} from '../../src/formats/npy.js'
import {readModelFile} from '../../src/formats/pdparams.js'
import {readRefs} from '../../src/formats/refer.js'
import {RegionReader, regionEntries} from '../../src/formats/region-values.js'
import {readSafetensors} from '../../src/formats/safetensors.js'
import {tensorPieces} from '../../src/formats/stored-tensor.js'
import type {StoredTensor} from '../../src/formats/stored-tensor.js'
import {readTorchFile} from '../../src/formats/torch.js'
import {packageRoot} from '../../src/paths.js'
import {fuzz} from './fuzz.js'
import type {FuzzOptions, FuzzReport} from './fuzz.js'

type FuzzedReader = {
  readonly originals: () => Buffer[]
  readonly read: (source: ByteSource) => unknown
}

const fixtures = join(packageRoot, 'test', 'fixtures')

/** Every reader of files from outside, with good files to damage. */
const readers: Readonly<Record<string, FuzzedReader>> = {
  'parameter files': {
    originals: () => filesOf('samples', /\.pd(?:params|opt|tensor)$/),
    read: (source) => {
      touch(source, readModelFile(source).tensors)
    },
  },
  safetensors: {originals: () => filesOf('samples', /safetensors/), read: readSafetensors},
  refs: {originals: () => filesOf('samples', /^refs_/), read: (source) => readRefs(source)},
  instances: {originals: () => filesOf('samples', /^instances/), read: readInstances},
  LMDBs: {
    originals: () =>
      ['lmdb_py2_str', 'lmdb_py36_ordereddict', 'lmdb_py38_dict'].flatMap((name) =>
        filesOf(join('samples', name), /^data\.mdb$/),
      ),
    read: readLmdb,
  },
  'torch files': {
    originals: () => filesOf('torch', /\.(?:bin|pt|pth)$/),
    read: (source) => {
      touch(source, readTorchFile(source).tensors)
    },
  },
  'feature files of numpy': {originals: () => filesOf('npy', /\.npy$/), read: readNpyDict},
  'JSON metadata': {originals: () => filesOf(join('hostile', 'metadata'), /\.json$/), read: readMetadata},
}

export const fuzzedReaders: readonly string[] = Object.keys(readers)

/** Damages the files of one reader, with a seed of its own that never changes. */
export function fuzzReader(name: string, options: Omit<FuzzOptions, 'seed'>): FuzzReport {
  const reader = readers[name]
  if (reader === undefined) throw new Error(`there is no reader of ${name}`)
  const originals = reader.originals().filter((bytes) => bytes.length > 0)
  if (originals.length === 0) throw new Error(`there are no ${name}`)
  const read = (bytes: Buffer): void => {
    if (bytes.length > 0) reader.read(new MemorySource('mutant', bytes))
  }
  const report = fuzz(originals, read, {...options, seed: 1 + fuzzedReaders.indexOf(name)})
  if (Reflect.get({}, 'polluted') !== undefined) throw new Error('a prototype was polluted')
  return report
}

function filesOf(folder: string, pattern: RegExp): Buffer[] {
  return readdirSync(join(fixtures, folder))
    .filter((name) => pattern.test(name))
    .sort()
    .map((name) => readFileSync(join(fixtures, folder, name)))
}

function touch(source: ByteSource, tensors: readonly StoredTensor[]): void {
  for (const tensor of tensors) for (const piece of tensorPieces(source, tensor)) piece.at(0)
}

function readLmdb(source: ByteSource): void {
  using lmdb = new Lmdb(source)
  const ignore = (): void => undefined
  const reader = new RegionReader(lmdb, 2048)
  for (const [imageId, entry] of regionEntries(lmdb, ignore)) reader.read(imageId, entry, ignore)
}
