import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {z} from 'zod'

/** How a training run went. */
export type LearningCurves = {
  readonly steps: number
  /** Mean loss of groups of neighbouring steps, each at its last step. */
  readonly loss: readonly {readonly step: number; readonly loss: number}[]
  readonly validations: readonly {
    readonly epoch: number
    readonly step: number
    readonly accuracy: number
    readonly best: boolean
  }[]
}

/** A line of `metrics.jsonl`, as far as it is drawn. */
export const metricsLineSchema = z.union([
  z.object({type: z.literal('step'), step: z.int(), loss: z.number()}),
  z.object({
    type: z.literal('epoch'),
    epoch: z.int(),
    step: z.int(),
    valAccuracy: z.number().nullable(),
    best: z.boolean(),
  }),
])

const mostPoints = 200

/** Reads `metrics.jsonl` of a run; null where there is none. A line that was cut off, or is of another kind, is skipped. */
export async function readLearningCurves(runFolder: string): Promise<LearningCurves | null> {
  const text = await readFile(join(runFolder, 'metrics.jsonl'), 'utf8').catch(() => undefined)
  if (text === undefined) return null
  const lines = text.split('\n').flatMap((line) => {
    const parsed = metricsLineSchema.safeParse(jsonOrUndefined(line))
    return parsed.success ? [parsed.data] : []
  })
  // A resumed run may have repeated steps: the last one of a number counts.
  const losses = new Map(
    lines.flatMap((line) => (line.type === 'step' ? [[line.step, line.loss] as const] : [])),
  )
  const validations = new Map(
    lines.flatMap((line) => {
      if (line.type !== 'epoch' || line.valAccuracy === null) return []
      const {epoch, step, valAccuracy: accuracy, best} = line
      return [[epoch, {epoch, step, accuracy, best}] as const]
    }),
  )
  return {steps: losses.size, loss: thin([...losses]), validations: [...validations.values()]}
}

/** A chart needs no more points than it has pixels, and noise hides the course. */
export function thin(losses: readonly (readonly [number, number])[]): LearningCurves['loss'] {
  const size = Math.ceil(losses.length / mostPoints)
  return Array.from({length: Math.ceil(losses.length / Math.max(size, 1))}, (_, group) => {
    const members = losses.slice(group * size, (group + 1) * size)
    const loss = members.reduce((sum, [, value]) => sum + value, 0) / members.length
    return {step: members.at(-1)?.[0] ?? 0, loss}
  })
}

function jsonOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
