import {existsSync, statSync} from 'node:fs'

import {lmdbFile} from '../formats/lmdb.js'
import {datasetLayout, ownDataset} from './datasets.js'
import type {SplitCounts} from './expressions.js'
import type {FeaturesDtype} from './features-dtype.js'
import {prepareData} from './prepare.js'
import type {PreparedData, PrepareOptions} from './prepare.js'
import {readRegionBoxes} from './region-boxes.js'

/** A store of region features that is ready for training and evaluation. */
export type PackedStore = {
  readonly kind: 'detected' | 'annotated'
  readonly file: string
  /** What it was made of. */
  readonly source: string
  readonly sizeBytes: number
  readonly images: number
  /** With the global region of each image. */
  readonly regions: number
}

/** What `data pack` made, or found made. */
export type PackResult = {
  readonly dataset: string
  readonly splitBy: string
  readonly featuresDtype: FeaturesDtype
  readonly expressionsFile: string
  readonly stores: readonly PackedStore[]
  readonly splits: Readonly<Record<string, SplitCounts>>
  readonly fingerprint: string
}

/**
 * Builds all that training and evaluation read of a data set, which they would else build at their start. Without an
 * LMDB of the annotated boxes, which only training needs, the rest is built.
 * @throws DataError, FormatError (exit 4) as {@link prepareData}
 */
export async function packData(options: Omit<PrepareOptions, 'annotated'>): Promise<PackResult> {
  const {dataRoot, dataset, splitBy, featuresDtype = 'float32'} = options
  const layout = datasetLayout(dataRoot, dataset, splitBy)
  const annotated = dataset === ownDataset || existsSync(lmdbFile(layout.annotatedLmdb))
  const prepared = await prepareData({...options, annotated})
  return {
    dataset: prepared.dataset,
    splitBy: prepared.splitBy,
    featuresDtype,
    expressionsFile: prepared.expressionsFile,
    stores: storesOf(prepared),
    splits: prepared.splits,
    fingerprint: prepared.fingerprint,
  }
}

function storesOf({
  detectedFile,
  detectedSource,
  annotatedFile,
  annotatedSource,
}: PreparedData): PackedStore[] {
  const detected = describe('detected', detectedFile, detectedSource)
  if (annotatedFile === null) return [detected]
  return [detected, describe('annotated', annotatedFile, annotatedSource)]
}

function describe(kind: PackedStore['kind'], file: string, source: string): PackedStore {
  const images = [...readRegionBoxes(file).values()]
  const regions = images.reduce((sum, {boxes}) => sum + boxes.length / 4, 0)
  return {kind, file, source, sizeBytes: statSync(file).size, images: images.length, regions}
}
