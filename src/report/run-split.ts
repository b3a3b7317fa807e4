import {join} from 'node:path'
import {prepareData, requireSplit, type PreparedData} from '../data/prepare.js'
import type {OnPrepareProgress} from '../data/progress.js'
import {ConfigError} from '../errors.js'
import type {FoundData} from './run-folder.js'

/** The data of a report, read or found in the cache. */
export async function prepareFor(
  {dataRoot, dataset, splitBy, cacheDir, featuresDtype}: FoundData,
  signal: AbortSignal | undefined,
  onProgress: OnPrepareProgress | undefined,
): Promise<PreparedData> {
  return await prepareData({
    ...{dataRoot, dataset, splitBy, featuresDtype, signal, onProgress},
    cacheDir: cacheDir ?? undefined,
    annotated: false,
  })
}

/**
 * The splits to look at: those asked for, else all but `train` that have sentences.
 * @throws DataError for a split without sentences; ConfigError for `train`
 */
export function chosenSplits(
  prepared: PreparedData,
  asked: readonly string[] | undefined,
): readonly string[] {
  const filled = Object.keys(prepared.splits).filter(
    (split) => split !== 'train' && (prepared.splits[split]?.expressions ?? 0) > 0,
  )
  const splits = [...new Set(asked ?? filled)]
  if (splits.includes('train')) {
    throw new ConfigError('The split "train" is evaluated with the annotated boxes among the proposals.', {
      next: `Look at other splits: --split ${filled.join(',')}.`,
    })
  }
  for (const split of splits) requireSplit(prepared, split)
  return splits
}

/** Where the pictures of all three data sets lie below a data root. */
export function picturesFolder(dataRoot: string): string {
  return join(dataRoot, 'images', 'mscoco', 'images', 'train2014')
}
