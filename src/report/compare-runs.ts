import {existsSync, statSync} from 'node:fs'
import {basename, dirname, resolve} from 'node:path'
import type {PreparedData} from '../data/prepare.js'
import {Run} from '../model/run.js'
import type {Vilbert} from '../vilbert.js'
import {bootstrap} from './bootstrap.js'
import {comparePairs, pair, type Pair, type PairedNumbers} from './compare-rows.js'
import {evaluation, type EvaluationProgress} from './evaluation.js'
import {judgeRows, type Judged} from './judged.js'
import type {MeasureOptions} from './measure-run.js'
import {readResultRows} from './result-rows.js'
import {dataOf, type FoundData} from './run-folder.js'
import {chosenSplits, prepareFor} from './run-split.js'
import {openWorld, type World} from './world.js'

/** What {@link compareRuns} holds against each other, and on which split. */
export type CompareOptions = Omit<MeasureOptions, 'run' | 'splits'> & {
  /** Folder of a training run, or a result file. */
  readonly a: string
  /** What is better or worse than A. */
  readonly b: string
  /** @default val */
  readonly split?: string | undefined
}

/** The numbers of a comparison; shares are from 0 to 1, and B less A. */
export type CompareNumbers = PairedNumbers & {
  readonly schema: 'vilbert-ts/compare@1'
  readonly runs: {readonly a: string; readonly b: string}
  readonly data: {readonly dataset: string; readonly splitBy: string; readonly fingerprint: string}
  /** How the intervals were computed. */
  readonly bootstrap: {readonly replicates: number; readonly seed: number; readonly confidence: number}
}

/** Two runs with every sentence judged: what numbers and pages are made from. */
export type ComparedRuns = {
  readonly names: {readonly a: string; readonly b: string}
  readonly data: FoundData
  readonly world: World
  readonly numbers: CompareNumbers
  readonly pairs: readonly Pair[]
}

/**
 * Compares two runs, or result files, on the same sentences. Models run only where a run's `eval/<split>.json` is
 * missing or stale.
 * @throws CheckpointError, ConfigError, DataError, FormatError
 */
export function compareRuns(
  vilbert: Vilbert,
  options: CompareOptions,
): Run<EvaluationProgress, ComparedRuns> {
  return new Run(compare(vilbert, options))
}

async function* compare(
  vilbert: Vilbert,
  {a, b, data: given = {}, split = 'val', batchSize, onPrepareProgress, signal}: CompareOptions,
): AsyncGenerator<EvaluationProgress, ComparedRuns, void> {
  const runs = {a: resolve(a), b: resolve(b)}
  const data = await dataOf(isResultFile(runs.a) && !isResultFile(runs.b) ? runs.b : runs.a, given)
  const prepared = await prepareFor(data, signal, onPrepareProgress)
  chosenSplits(prepared, [split])
  const world = await openWorld(data.dataRoot, prepared)
  const judged = {
    a: yield* answers(vilbert, {run: runs.a, data, prepared, world, split, batchSize, signal}),
    b: yield* answers(vilbert, {run: runs.b, data, prepared, world, split, batchSize, signal}),
  }
  const pairs = pair(judged.a, judged.b)
  const numbers: CompareNumbers = {
    schema: 'vilbert-ts/compare@1',
    runs,
    data: {dataset: prepared.dataset, splitBy: prepared.splitBy, fingerprint: prepared.fingerprint},
    bootstrap,
    ...comparePairs(split, pairs, {a: judged.a.length, b: judged.b.length}),
  }
  return {names: namesOf(runs), data, world, numbers, pairs}
}

type AnswerOptions = {
  readonly run: string
  readonly data: FoundData
  readonly prepared: PreparedData
  readonly world: World
  readonly split: string
  readonly batchSize: number | undefined
  readonly signal: AbortSignal | undefined
}

async function* answers(
  vilbert: Vilbert,
  {run, world, split, ...options}: AnswerOptions,
): AsyncGenerator<EvaluationProgress, readonly Judged[], void> {
  if (isResultFile(run)) return judgeRows(world, split, await readResultRows(run), run)
  const {rows, file} = yield* evaluation(vilbert, {runFolder: run, split, ...options})
  return judgeRows(world, split, rows, file)
}

/** Runs are folders; a file that is missing should not be called one. */
function isResultFile(path: string): boolean {
  return path.endsWith('.json') ? !isFolder(path) : existsSync(path) && !isFolder(path)
}

function isFolder(path: string): boolean {
  return statSync(path, {throwIfNoEntry: false})?.isDirectory() === true
}

/** Short names that differ. */
function namesOf({a, b}: {readonly a: string; readonly b: string}): {readonly a: string; readonly b: string} {
  if (basename(a) !== basename(b)) return {a: basename(a), b: basename(b)}
  const longer = (path: string): string => `${basename(dirname(path))}/${basename(path)}`
  return longer(a) === longer(b) ? {a, b} : {a: longer(a), b: longer(b)}
}
