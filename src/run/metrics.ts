import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {metricsLineSchema} from '../report/learning-curves.js'
import type {StateFile} from './states.js'

type Add = (file: string, message: string) => void

const file = 'metrics.jsonl'

/** Checks that the log of a run holds every step and epoch once, in order, at least up to its newest state. */
export async function checkMetrics(folder: string, state: StateFile | undefined, add: Add): Promise<void> {
  const text = await readFile(join(folder, file), 'utf8').catch(() => undefined)
  if (text === undefined) {
    add(file, 'it is missing')
    return
  }
  let [steps, epochs] = [0, 0]
  const accuracies: (number | null)[] = []
  // What stands behind the last line end was cut off when the process was killed; resuming drops it.
  for (const [index, line] of text.split('\n').slice(0, -1).entries()) {
    const parsed = metricsLineSchema.safeParse(jsonOrUndefined(line))
    const where = `line ${index + 1}`
    if (!parsed.success) {
      add(file, `${where} is neither a step nor an epoch`)
      return
    }
    const {data} = parsed
    if (data.type === 'step') steps += 1
    else {
      epochs += 1
      accuracies.push(data.valAccuracy)
    }
    const [found, wanted] = data.type === 'step' ? [data.step, steps] : [data.epoch, epochs]
    if (found !== wanted) {
      add(file, `${where} is ${data.type} ${found}, and ${data.type} ${wanted} is missing before it`)
      return
    }
  }
  if (state === undefined) return
  if (steps < state.step) add(file, `it ends at step ${steps}, the newest state is of step ${state.step}`)
  const differing = state.epochs.find(({epoch, valAccuracy}) => accuracies[epoch - 1] !== valAccuracy)
  if (differing !== undefined)
    add(file, `the accuracy of epoch ${differing.epoch} is not that of the newest state`)
}

function jsonOrUndefined(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
