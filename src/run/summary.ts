import {basename, resolve} from 'node:path'
import {filesBelow} from './files-below.js'
import {planOf, progressOf} from './progress.js'
import type {RunProgress} from './progresses.js'
import {readRunFile, type RunFile} from './run-file.js'
import {readStates, type SavedState} from './states.js'

/** What a list of runs tells of each. */
export type RunSummary = {
  readonly name: string
  readonly folder: string
  readonly progress: RunProgress
  readonly createdAt: string
  readonly steps: number
  readonly epochs: number
  readonly plannedEpochs: number | null
  readonly best: {readonly epoch: number; readonly valAccuracy: number} | null
  readonly lastValAccuracy: number | null
  readonly trainedSeconds: number
  /** Of the files, those under two names once. */
  readonly sizeBytes: number
  readonly states: number
}

/** Sums up a run. @throws CheckpointError E_NO_RUN if the folder holds none */
export async function summarizeRun(folder: string): Promise<RunSummary> {
  return summaryOf(folder, await readRunFile(folder), await readStates(folder))
}

/** The same of what was read already. */
export async function summaryOf(
  folder: string,
  run: RunFile,
  states: readonly SavedState[],
): Promise<RunSummary> {
  const newest = states.find(({problem}) => problem === null)?.file ?? undefined
  const plan = planOf(run)
  return {
    name: basename(resolve(folder)),
    folder,
    progress: await progressOf(folder, newest, plan),
    createdAt: run.createdAt,
    steps: newest?.step ?? 0,
    epochs: newest?.epochs.length ?? 0,
    plannedEpochs: plan.epochs,
    best: newest?.best == null ? null : {epoch: newest.best.epochs, valAccuracy: newest.best.valAccuracy},
    lastValAccuracy: newest?.epochs.findLast(({valAccuracy}) => valAccuracy !== null)?.valAccuracy ?? null,
    trainedSeconds: newest?.seconds ?? 0,
    sizeBytes: await sizeOf(folder),
    states: states.length,
  }
}

async function sizeOf(folder: string): Promise<number> {
  const sizes = new Map((await filesBelow(folder)).map(({id, sizeBytes}) => [id, sizeBytes]))
  return [...sizes.values()].reduce((sum, size) => sum + size, 0)
}
