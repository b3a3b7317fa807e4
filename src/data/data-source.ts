import type {DataConfig} from '../config/data.js'
import {prepareData, type PreparedData} from './prepare.js'
import type {OnPrepareProgress} from './progress.js'

/** Which data set, and what is told while its files are prepared for the first time. */
export type DataSource = Partial<Omit<DataConfig, 'dataRoot'>> & {
  readonly dataRoot: string
  readonly onPrepareProgress?: OnPrepareProgress | undefined
}

/** Reads the data set's files, or finds what was read of them before. */
export async function prepareSource(
  {onPrepareProgress, dataset = 'refcoco+', splitBy, cacheDir, featuresDtype, dataRoot}: DataSource,
  {annotated, signal}: {readonly annotated: boolean; readonly signal: AbortSignal | undefined},
): Promise<PreparedData> {
  return await prepareData({
    dataRoot,
    dataset,
    splitBy: splitBy ?? undefined,
    cacheDir: cacheDir ?? undefined,
    featuresDtype,
    annotated,
    signal,
    onProgress: onPrepareProgress,
  })
}
