import {breathe} from '../breathe.js'
import type {ModelConfig} from '../config/model.js'
import {validateConfigFile} from '../config/load.js'
import {ConfigProblemsError} from '../config/problems.js'
import {checkArchive} from '../data/download/unpack/unpack.js'
import {FormatError, printable} from '../errors.js'
import {FileSource} from '../formats/byte-source.js'
import {readInstances} from '../formats/instances.js'
import {Lmdb} from '../formats/lmdb.js'
import {refuse} from '../formats/problems.js'
import {readRefs} from '../formats/refer.js'
import {RegionReader, regionEntries} from '../formats/region-values.js'
import {checkMetadata, checkWeights} from './check-model.js'
import type {VerifyKind} from './kinds.js'

export type CheckOptions = {
  readonly config: ModelConfig | undefined
  readonly signal: AbortSignal | undefined
}

/** Width of a region's feature where no configuration says another. */
const usualFeatureSize = 2048

/** Reads a whole file of a kind; throws at the first thing that is not as it should be. */
export async function checkPath(
  path: string,
  kind: VerifyKind,
  {config, signal}: CheckOptions,
): Promise<void> {
  switch (kind) {
    case 'pdparams':
    case 'safetensors':
    case 'torch':
      return checkWeights(path, kind, {config, signal})
    case 'metadata':
      return checkMetadata(path, {config, signal})
    case 'refs':
      withSource(path, (source) => readRefs(source, refuse))
      return
    case 'instances':
      withSource(path, readInstances)
      return
    case 'lmdb':
      return checkLmdb(path, config?.v_feature_size ?? usualFeatureSize, signal)
    case 'config':
      return checkConfig(path)
    case 'archive':
      withSource(path, () => undefined)
      return checkArchive(path, {}, signal)
  }
}

function withSource(path: string, read: (source: FileSource) => unknown): void {
  using source = new FileSource(path)
  read(source)
}

async function checkLmdb(path: string, featureSize: number, signal: AbortSignal | undefined): Promise<void> {
  using lmdb = new Lmdb(path)
  const reader = new RegionReader(lmdb, featureSize)
  for (const [imageId, entry] of regionEntries(lmdb, refuse)) {
    reader.read(imageId, entry, refuse)
    await breathe(signal)
  }
}

async function checkConfig(path: string): Promise<void> {
  const {problems} = await validateConfigFile(path)
  const [first] = problems
  if (first === undefined) return
  if (first.code === 'E_CFG_FILE' && first.path === '')
    throw new FormatError('E_IO', `${printable(path, 300)}: ${first.message}`)
  throw new ConfigProblemsError(problems)
}
