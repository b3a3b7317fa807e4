import {join} from 'node:path'

import {DataError, printable} from '../errors.js'

/** A data set as REFER lays it out below a data root. */
export type DatasetLayout = {
  readonly dataset: string
  readonly splitBy: string
  /** The splits it has, in their usual order. */
  readonly splits: readonly string[]
  readonly refsFile: string
  readonly instancesFile: string
  /** LMDB folders of the detected and of the annotated boxes. */
  readonly detectedLmdb: string
  readonly annotatedLmdb: string
}

/** Who split which data set how; the first of each is the usual one. */
export const datasetSplits: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  refcoco: {
    unc: ['train', 'val', 'testA', 'testB'],
    google: ['train', 'val', 'test', 'testA', 'testB'],
  },
  'refcoco+': {unc: ['train', 'val', 'testA', 'testB']},
  refcocog: {umd: ['train', 'val', 'test'], google: ['train', 'val']},
}

/** What `data import` makes of own data: a data set below a data root as others are, but of trusted forms alone. */
export const ownDataset = 'own'
export const ownSplits: readonly string[] = ['train', 'val', 'test', 'testA', 'testB']

/** All names that a data set may have, and all who split one. */
export const datasetNames: readonly string[] = [...Object.keys(datasetSplits), ownDataset]
export const splitterNames: readonly string[] = [
  ...new Set([...datasetNames.flatMap((name) => splittersOf(name))]),
]

/** The people who split a data set, the usual ones first. */
export function splittersOf(dataset: string): readonly string[] {
  if (dataset === ownDataset) return [ownDataset]
  return Object.hasOwn(datasetSplits, dataset) ? Object.keys(datasetSplits[dataset] ?? {}) : []
}

/**
 * Where the files of a data set are.
 * @throws DataError E_DATASET listing what is known
 */
export function datasetLayout(dataRoot: string, dataset: string, splitBy?: string): DatasetLayout {
  const bySplitter = splitsOf(dataset)
  if (bySplitter === undefined) throw unknown(`The data set "${printable(dataset)}" is not known.`)
  const chosen = splitBy ?? Object.keys(bySplitter)[0] ?? ''
  const splits = Object.hasOwn(bySplitter, chosen) ? bySplitter[chosen] : undefined
  if (splits === undefined) throw unknown(`The data set ${dataset} has no split by "${printable(chosen)}".`)
  return {
    dataset,
    splitBy: chosen,
    splits,
    refsFile: join(dataRoot, dataset, `refs(${chosen}).p`),
    instancesFile: join(dataRoot, dataset, 'instances.json'),
    detectedLmdb: join(dataRoot, `${dataset}_resnet101_faster_rcnn_genome.lmdb`),
    annotatedLmdb: join(dataRoot, `${dataset}_gt_resnet101_faster_rcnn_genome.lmdb`),
  }
}

function splitsOf(dataset: string): Readonly<Record<string, readonly string[]>> | undefined {
  if (dataset === ownDataset) return {[ownDataset]: ownSplits}
  return Object.hasOwn(datasetSplits, dataset) ? datasetSplits[dataset] : undefined
}

function unknown(message: string): DataError {
  const known = Object.entries(datasetSplits).map(
    ([name, bySplitter]) => `${name} (${Object.keys(bySplitter).join(', ')})`,
  )
  return new DataError(message, {
    code: 'E_DATASET',
    next: `Known data sets and who split them: ${known.join('; ')}.`,
  })
}
