import {stat} from 'node:fs/promises'
import {join} from 'node:path'
import {z} from 'zod'
import {VilbertError} from '../errors.js'
import type {RunProgress} from './progresses.js'
import {isMarkedRunning} from './running-mark.js'
import {readRunFile, type RunFile} from './run-file.js'
import {readStates, type StateFile} from './states.js'

/** What of a run's settings ends it. */
const planSchema = z.object({
  epochs: z.int().nullable().catch(null),
  maxSteps: z.int().nullable().catch(null),
  patience: z.int().nullable().catch(null),
})
export type RunPlan = z.infer<typeof planSchema>

/** When a run is to end; of one that this version did not write, nobody knows. */
export function planOf(run: RunFile | undefined): RunPlan {
  return planSchema.parse({epochs: null, maxSteps: null, patience: null, ...run?.training})
}

/** How far the run in a folder is. */
export async function runProgress(folder: string): Promise<RunProgress> {
  const run = await readRunFile(folder).catch((error: unknown) => {
    if (error instanceof VilbertError) return undefined
    throw error
  })
  const states = await readStates(folder)
  const newest = states.find(({problem}) => problem === null)?.file ?? undefined
  return await progressOf(folder, newest, planOf(run))
}

/** A log that grew within this time is being written. */
const quietAfterMs = 60_000

/** The same of what was read already. */
export async function progressOf(
  folder: string,
  state: StateFile | undefined,
  plan: RunPlan,
): Promise<RunProgress> {
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
function isFinished({epochs, step, best, stepsPerEpoch}: StateFile, plan: RunPlan): boolean {
  if (plan.epochs !== null && epochs.length >= plan.epochs) return true
  const isEpochEnd = step === (epochs.length + 1) * stepsPerEpoch
  if (plan.maxSteps !== null && step >= plan.maxSteps && !isEpochEnd) return true
  const sinceBest = epochs.filter(
    ({epoch, valAccuracy}) => valAccuracy !== null && best !== null && epoch > best.epochs,
  )
  return plan.patience !== null && best !== null && sinceBest.length >= plan.patience
}
