import {execa} from 'execa'
import {createHash} from 'node:crypto'
import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import {openCheckpoint} from '../../src/checkpoint/checkpoint-file.js'
import {tensorPieces} from '../../src/formats/stored-tensor.js'
import {packageRoot} from '../../src/paths.js'
import {python, pythonFixtures} from './python.js'

/** A file of test/fixtures/samples with what is in it. */
export type Sample = {
  readonly file: string
  readonly container: string
  readonly tensors: readonly {
    name: string
    path: readonly string[]
    dtype: string
    shape: readonly number[]
    sha256: string
  }[]
  readonly scalars: Readonly<Record<string, unknown>>
}

export const sampleFolder = join(packageRoot, 'test', 'fixtures', 'samples')
export const goldenFolder = join(packageRoot, 'test', 'fixtures', 'golden')

export const {samples} = JSON.parse(readFileSync(join(sampleFolder, 'manifest.json'), 'utf8')) as {
  readonly samples: readonly Sample[]
}

/** Name, type, shape and hash of a tensor. */
export type Described = readonly [name: string, dtype: string, shape: readonly number[], sha256: string]

/** What our own readers find in a checkpoint of any form. */
export function describeTensors(path: string): Described[] {
  using checkpoint = openCheckpoint(path)
  return checkpoint.tensors.map((tensor): Described => {
    const hash = createHash('sha256')
    for (const piece of tensorPieces(checkpoint.source, tensor)) hash.update(piece)
    return [tensor.name, tensor.dtype, tensor.shape, hash.digest('hex')]
  })
}

/** What stock Paddle and the safetensors package find in files. */
export async function stockLoad(files: readonly string[]): Promise<Record<string, Described[]>> {
  return JSON.parse(await runFixture('stock_load.py', ...files)) as Record<string, Described[]>
}

/** Runs a tiny program of test/fixtures/python and gives what it prints. */
export async function runFixture(script: string, ...args: readonly string[]): Promise<string> {
  const {stdout} = await execa(python, [join(pythonFixtures, script), ...args])
  return stdout
}
