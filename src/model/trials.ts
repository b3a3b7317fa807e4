import {z} from 'zod'

const count = z.int().min(0)
const bytes = z.number().min(0)
const seconds = z.number().min(0)
const rate = z.number().positive()

/** So many of the steps of a trial are taken. */
export const trialEventSchema = z.object({done: count, total: count})

/** What a training run would take, see `Vilbert.planTraining`. */
export const trainingPlanSchema = z.object({
  trainExpressions: count,
  valExpressions: count,
  parameters: count,
  /** Numbers that learn; for each of them AdamW keeps two more. */
  trainedParameters: count,
  stepsPerEpoch: count,
  totalSteps: count,
  warmupSteps: count,
  device: z.string(),
  /** The code that computes and its precision. */
  engine: z.string(),
  processes: count,
  /** Of the steps that were taken, after one to warm up. */
  stepSeconds: z.object({median: seconds, least: seconds, most: seconds, steps: count}),
  validations: count,
  /** One validation, reckoned from a few expressions; null without a validation split. */
  validationSeconds: seconds.nullable(),
  /** Peak of the (first) process and of its GPU, and what the machine has, in bytes. */
  memory: z.object({peak: bytes, machine: bytes, gpuPeak: bytes.nullable()}),
  /** A saved state, all that is kept at the end, the most there is at a time, and what is free, in bytes. */
  disk: z.object({state: bytes, atEnd: bytes, atMost: bytes, free: bytes}),
})

/** A step of a learning-rate range test. */
const ratePointSchema = z.object({lr: rate, loss: z.number(), smoothedLoss: z.number()})

export const rateEventSchema = z.object({...trialEventSchema.shape, ...ratePointSchema.shape})

/** The outcome of a learning-rate range test, see `Vilbert.findLearningRate`. */
export const learningRatesSchema = z.object({
  points: z.array(ratePointSchema),
  /** Whether the test ended early because the loss became many times what it was. */
  diverged: z.boolean(),
  /** A good rate of the body; null where no rate makes the loss fall. */
  suggested: rate.nullable(),
  /** Where the smoothed loss falls fastest. */
  steepest: rate.nullable(),
  /** Where the smoothed loss is lowest. */
  lowest: rate.nullable(),
})

/** The rates that a range test goes through, in equal ratios. */
export type RateRange = {
  /** @default 1e-7 */
  readonly first?: number | undefined
  /** @default 1 */
  readonly last?: number | undefined
  /** @default 100 */
  readonly steps?: number | undefined
}

/** How many of the steps of a trial are done. */
export type TrialEvent = z.infer<typeof trialEventSchema>
/** What a training would take: steps, times in seconds, memory and disk in bytes. */
export type TrainingPlan = z.infer<typeof trainingPlanSchema>
/** The loss at a learning rate, as it was and smoothed. */
export type RatePoint = z.infer<typeof ratePointSchema>
/** A step of a search for a learning rate. */
export type RateEvent = z.infer<typeof rateEventSchema>
/** The losses over rising learning rates, and the rate that they suggest. */
export type LearningRates = z.infer<typeof learningRatesSchema>

/** How long the whole run would take, without the time for saving. */
export function plannedSeconds(plan: TrainingPlan): number {
  return plan.totalSteps * plan.stepSeconds.median + plan.validations * (plan.validationSeconds ?? 0)
}
