import {basename, resolve} from 'node:path'
import type {OnPrepareProgress} from '../data/progress.js'
import {Run} from '../model/run.js'
import type {Vilbert} from '../vilbert.js'
import {bootstrap} from './bootstrap.js'
import {evaluation, type EvaluatedCheckpoint, type EvaluationProgress} from './evaluation.js'
import {judgeRows, type Judged} from './judged.js'
import {readLearningCurves, type LearningCurves} from './learning-curves.js'
import {dataOf, type FoundData, type ReportData} from './run-folder.js'
import {chosenSplits, prepareFor} from './run-split.js'
import {splitNumbers, type SplitNumbers} from './split-numbers.js'
import {openWorld, type World} from './world.js'

/** The run that {@link measureRun} judges, and the splits it does so on. */
export type MeasureOptions = {
  /** Folder of a training run. */
  readonly run: string
  /** What is not given is as it was in the training. */
  readonly data?: ReportData | undefined
  /** @default all but train */
  readonly splits?: readonly string[] | undefined
  /** Expressions at once, where the model has to be run. @default 32 */
  readonly batchSize?: number | undefined
  readonly onPrepareProgress?: OnPrepareProgress | undefined
  readonly signal?: AbortSignal | undefined
}

/** The numbers of a report; shares are from 0 to 1. */
export type ReportNumbers = {
  readonly schema: 'vilbert-ts/report@1'
  readonly run: string
  readonly checkpoint: EvaluatedCheckpoint
  readonly data: {readonly dataset: string; readonly splitBy: string; readonly fingerprint: string}
  /** How the intervals were computed. */
  readonly bootstrap: {readonly replicates: number; readonly seed: number; readonly confidence: number}
  readonly splits: readonly SplitNumbers[]
  /** Null where the folder has no metrics.jsonl. */
  readonly learning: LearningCurves | null
}

/** A run with every sentence judged: what numbers and pages are made from. */
export type MeasuredRun = {
  readonly name: string
  readonly data: FoundData
  readonly world: World
  readonly numbers: ReportNumbers
  readonly judged: ReadonlyMap<string, readonly Judged[]>
}

/**
 * Judges a run's best checkpoint on some splits. The model runs only where `eval/<split>.json` in the run's folder is
 * missing or stale; everything else is computed here from that file.
 * @throws CheckpointError, ConfigError, DataError, FormatError
 */
export function measureRun(vilbert: Vilbert, options: MeasureOptions): Run<EvaluationProgress, MeasuredRun> {
  return new Run(measure(vilbert, options))
}

async function* measure(
  vilbert: Vilbert,
  {run, data: given = {}, splits, batchSize, onPrepareProgress, signal}: MeasureOptions,
): AsyncGenerator<EvaluationProgress, MeasuredRun, void> {
  const runFolder = resolve(run)
  const data = await dataOf(runFolder, given)
  const prepared = await prepareFor(data, signal, onPrepareProgress)
  const world = await openWorld(data.dataRoot, prepared)
  const judged = new Map<string, readonly Judged[]>()
  let checkpoint: EvaluatedCheckpoint | undefined
  for (const split of chosenSplits(prepared, splits)) {
    const found = yield* evaluation(vilbert, {runFolder, data, prepared, split, batchSize, signal})
    checkpoint = found.checkpoint
    judged.set(split, judgeRows(world, split, found.rows, found.file))
  }
  if (checkpoint === undefined) throw new Error('no split was asked for')
  const numbers: ReportNumbers = {
    schema: 'vilbert-ts/report@1',
    run: runFolder,
    checkpoint,
    data: {dataset: prepared.dataset, splitBy: prepared.splitBy, fingerprint: prepared.fingerprint},
    bootstrap,
    splits: [...judged].map(([split, sentences]) => splitNumbers(split, sentences, world.categories)),
    learning: await readLearningCurves(runFolder),
  }
  return {name: basename(runFolder), data, world, numbers, judged}
}
