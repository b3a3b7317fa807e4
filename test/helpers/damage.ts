import {createHash} from 'node:crypto'
import {copyFile, readFile, readdir, truncate, writeFile} from 'node:fs/promises'
import {join, relative} from 'node:path'
import type {ExecutionContext} from 'ava'
import {execa} from 'execa'
import {golden, goldenDataRoot, temporaryFolder} from './golden.js'
import {python, pythonFixtures} from './python.js'

/** A data root, a model file and weights that belong together, to be damaged by one test. */
export type Workplace = {
  readonly folder: string
  readonly dataRoot: string
  readonly refs: string
  readonly instances: string
  /** Folders of the detected and of the annotated regions. */
  readonly detected: string
  readonly annotated: string
  readonly config: string
  readonly weights: string
}

/** Copies the golden files into folders of the test's own. */
export async function makeWorkplace(t: ExecutionContext): Promise<Workplace> {
  const [folder, dataRoot] = [await temporaryFolder(t), await goldenDataRoot(t)]
  const [config, weights] = [join(folder, 'model.json'), join(folder, 'start.pdparams')]
  await copyFile(join(golden, 'config.json'), config)
  await copyFile(join(golden, 'weights.pdparams'), weights)
  return {
    folder,
    dataRoot,
    refs: join(dataRoot, 'refcoco+/refs(unc).p'),
    instances: join(dataRoot, 'refcoco+/instances.json'),
    detected: join(dataRoot, 'refcoco+_resnet101_faster_rcnn_genome.lmdb'),
    annotated: join(dataRoot, 'refcoco+_gt_resnet101_faster_rcnn_genome.lmdb'),
    config,
    weights,
  }
}

/** Runs a change of `test/fixtures/python/damage_data.py`. */
export async function damageData(change: string, ...args: readonly string[]): Promise<void> {
  await execa(python, [join(pythonFixtures, 'damage_data.py'), change, ...args])
}

/** Leaves the first half of a file. */
export async function halve(file: string): Promise<void> {
  await truncate(file, Math.floor((await readFile(file)).length / 2))
}

/** Changes the values of a JSON file. */
export async function changeJson(file: string, change: (value: JsonObject) => unknown): Promise<void> {
  const value = JSON.parse(await readFile(file, 'utf8')) as JsonObject
  change(value)
  await writeFile(file, JSON.stringify(value))
}

/** What a JSON file of ours holds, as far as a test changes it. */
export type JsonObject = Record<string, unknown>

/** Every file with a hash of its content; of a cache only what a killed writer would leave behind. */
export async function listing(...folders: readonly string[]): Promise<Record<string, string>> {
  const files: Record<string, string> = {}
  for (const folder of folders) {
    for (const entry of await readdir(folder, {withFileTypes: true, recursive: true})) {
      const path = join(entry.parentPath, entry.name)
      const isCache = relative(folder, path).split('/').includes('.vilbert-ts')
      if (!entry.isFile() ? isCache : isCache && !entry.name.startsWith('.')) continue
      files[path] = entry.isFile()
        ? createHash('sha256')
            .update(await readFile(path))
            .digest('hex')
        : 'folder'
    }
  }
  return files
}
