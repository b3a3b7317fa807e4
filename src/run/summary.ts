import {stat} from 'node:fs/promises'
import {basename, join, resolve} from 'node:path'
import {z} from 'zod'
import {filesBelow} from './files-below.js'
import {isMarkedRunning} from './running-mark.js'
import {readRunFile, type RunFile} from './run-file.js'
import {readStates, type SavedState, type StateFile} from './states.js'

/** How far a run is: it can be resumed while it is `interrupted`; `empty` has no state yet or any more. */
export type RunProgress = 'finished' | 'interrupted' | 'running' | 'empty'

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

/** A log that grew within this time is being written. */
const quietAfterMs = 60_000

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

const planSchema = z.object({
  epochs: z.int().nullable().catch(null),
  maxSteps: z.int().nullable().catch(null),
  patience: z.int().nullable().catch(null),
})
type Plan = z.infer<typeof planSchema>

function planOf({training}: RunFile): Plan {
  return planSchema.parse({epochs: null, maxSteps: null, patience: null, ...training})
}

async function progressOf(folder: string, state: StateFile | undefined, plan: Plan): Promise<RunProgress> {
  if (await isRunning(folder)) return 'running'
  if (state === undefined) return 'empty'
  return isFinished(state, plan) ? 'finished' : 'interrupted'
}

/** Whether a run is being trained: as its mark says, or from another machine as its log says. */
export async function isRunning(folder: string): Promise<boolean> {
  const marked = await isMarkedRunning(folder)
  if (marked !== undefined) return marked
  const log = await stat(join(folder, 'metrics.jsonl')).catch(() => undefined)
  return log !== undefined && Date.now() - log.mtimeMs < quietAfterMs
}

// As `is_finished` of python/vilbert/train.py.
function isFinished({epochs, step, best, stepsPerEpoch}: StateFile, plan: Plan): boolean {
  if (plan.epochs !== null && epochs.length >= plan.epochs) return true
  const isEpochEnd = step === (epochs.length + 1) * stepsPerEpoch
  if (plan.maxSteps !== null && step >= plan.maxSteps && !isEpochEnd) return true
  const sinceBest = epochs.filter(
    ({epoch, valAccuracy}) => valAccuracy !== null && best !== null && epoch > best.epochs,
  )
  return plan.patience !== null && best !== null && sinceBest.length >= plan.patience
}

async function sizeOf(folder: string): Promise<number> {
  const sizes = new Map((await filesBelow(folder)).map(({id, sizeBytes}) => [id, sizeBytes]))
  return [...sizes.values()].reduce((sum, size) => sum + size, 0)
}
