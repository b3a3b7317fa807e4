import {existsSync, statSync} from 'node:fs'
import {join, resolve} from 'node:path'
import {dataConfigSchema, type DataConfig} from '../config/data.js'
import {CheckpointError, printable} from '../errors.js'
import {requiredDataRoot} from '../model/from-config.js'
import {readRunFile} from '../run/run-file.js'

/** The data that a run is looked at with; what is not given is as it was in the training. */
export type ReportData = {
  readonly dataRoot?: string | undefined
  readonly dataset?: string | undefined
  readonly splitBy?: string | undefined
  readonly cacheDir?: string | undefined
  readonly featuresDtype?: DataConfig['featuresDtype'] | undefined
}

/** Data settings that say where the data are. */
export type FoundData = DataConfig & {readonly dataRoot: string}

/** The checkpoint that a run is judged by: its best, or its last where nothing was validated. */
export function checkpointOf(runFolder: string): string {
  if (!existsSync(runFolder) || !statSync(runFolder).isDirectory()) {
    throw noRun(`${printable(runFolder, 300)} is not a folder.`)
  }
  const found = ['best.pdparams', 'last.pdparams']
    .map((name) => join(runFolder, name))
    .find((file) => existsSync(file))
  if (found === undefined)
    throw noRun(`${printable(runFolder, 300)} has no best.pdparams and no last.pdparams.`)
  return found
}

/**
 * Where the data are: as given, else as the run's own description says.
 * @throws ConfigError where neither says it
 */
export async function dataOf(runFolder: string, given: ReportData): Promise<FoundData> {
  const trained = existsSync(join(runFolder, 'run.json')) ? (await readRunFile(runFolder)).data : {}
  // Who split is a matter of the data set: with another one, the usual ones split.
  const {dataRoot: trainedRoot, cacheDir: trainedCache, featuresDtype} = trained
  const kept =
    given.dataset === undefined ? trained : {dataRoot: trainedRoot, cacheDir: trainedCache, featuresDtype}
  const stated = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  // A cache belongs to its data root.
  const cacheDir = given.dataRoot === undefined ? {} : {cacheDir: given.cacheDir ?? null}
  const data = dataConfigSchema.parse({...kept, ...stated, ...cacheDir})
  return {...data, dataRoot: resolve(requiredDataRoot(data))}
}

function noRun(message: string): CheckpointError {
  return new CheckpointError(message, {
    code: 'E_NO_RUN',
    next: 'Pass the folder of a training run, such as checkpoints/demo.',
  })
}
