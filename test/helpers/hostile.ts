import {execFileSync} from 'node:child_process'
import {
  mkdtempSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import {checkModel} from '../../src/checkpoint/model-check.js'
import {FileSource} from '../../src/formats/byte-source.js'
import {readInstances} from '../../src/formats/instances.js'
import {Lmdb} from '../../src/formats/lmdb.js'
import {readModelFile} from '../../src/formats/pdparams.js'
import {refuse} from '../../src/formats/problems.js'
import type {ProblemSink} from '../../src/formats/problems.js'
import {readRefs} from '../../src/formats/refer.js'
import {RegionReader, regionEntries} from '../../src/formats/region-values.js'
import {readSafetensors} from '../../src/formats/safetensors.js'
import {packageRoot} from '../../src/paths.js'

/** A bad or odd file and how reading it must end. */
export type HostileCase = {
  readonly id: string
  readonly file?: string
  /** How to make what cannot be kept in git. */
  readonly make?: string
  readonly family: string
  readonly reader: 'pdparams' | 'safetensors' | 'refs' | 'instances' | 'lmdb'
  readonly kind: string
  readonly must: 'reject' | 'report' | 'accept' | 'either'
  readonly codes: readonly string[]
  readonly names: readonly string[]
  readonly expect_raw?: string
  readonly tensors?: number
}

export const hostileFolder = join(packageRoot, 'test', 'fixtures', 'hostile')

export const hostileManifest = JSON.parse(
  readFileSync(join(hostileFolder, 'formats-manifest.json'), 'utf8'),
) as {
  readonly seconds: number
  readonly rssMb: number
  readonly spec: readonly [string, readonly number[]][]
  readonly cases: readonly HostileCase[]
}

/** What a reader made of a file: how many things it found, and the first sentence. */
export type Reading = {readonly count: number; readonly firstRaw?: string | undefined}

/** Reads a file with the reader of its family; `strict` refuses what is only to be reported too. */
export function readWith(reader: HostileCase['reader'], path: string, strict: boolean): Reading {
  const onProblem: ProblemSink = strict ? refuse : () => undefined
  if (reader === 'lmdb') return readLmdb(path, onProblem)
  using source = new FileSource(path)
  if (reader === 'instances') return {count: readInstances(source).annotations.size}
  if (reader === 'refs') {
    const refs = readRefs(source, onProblem)
    return {count: refs.length, firstRaw: refs[0]?.sentences[0]?.raw}
  }
  const {tensors} = reader === 'safetensors' ? readSafetensors(source) : readModelFile(source)
  if (strict || tensors.length === 0) checkModel(source, tensors, new Map(hostileManifest.spec))
  return {count: tensors.length}
}

function readLmdb(path: string, onProblem: ProblemSink): Reading {
  using lmdb = new Lmdb(path)
  const entries = regionEntries(lmdb, onProblem)
  const reader = new RegionReader(lmdb, 2048)
  for (const [imageId, entry] of entries) reader.read(imageId, entry, onProblem)
  return {count: entries.size}
}

/** An empty folder of its own. */
export function emptyFolder(): string {
  return mkdtempSync(join(tmpdir(), 'vilbert-ts-test-'))
}

/** Everything below a folder: payloads that ran would have left a file. */
export function filesBelow(folder: string): string[] {
  return readdirSync(folder, {recursive: true}).map(String)
}

/** The path of a case's file; those that git cannot hold are made in `folder`. */
export function pathOfCase(hostile: HostileCase, folder: string): string {
  if (hostile.file !== undefined) return join(hostileFolder, hostile.file)
  const path = join(folder, `${hostile.id}.pdparams`)
  switch (hostile.make) {
    case 'dir':
      mkdirSync(path)
      break
    case 'fifo':
      execFileSync('mkfifo', [path])
      break
    case 'symlink_loop':
      symlinkSync(path, path)
      break
    case 'dev_zero':
      symlinkSync('/dev/zero', path)
      break
    case 'sparse_1tb':
      writeFileSync(path, '')
      truncateSync(path, 2 ** 40)
      break
    default:
  }
  return path
}
