import {z} from 'zod'

const count = z.int().min(0)
/** With what was computed: the precision, and the code that did it. */
const computedWith = {precision: z.enum(['fp32', 'bf16']), engine: z.string()}
const rates = z.object({body: z.number(), head: z.number()})

/** One optimizer step, as it is logged. */
export const stepSchema = z.object({
  type: z.literal('step'),
  step: count,
  /** Counted from 1. */
  epoch: count,
  loss: z.number(),
  lr: rates,
})

/** What happens while a model is trained. */
export const trainEventSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('start'),
    trainExpressions: count,
    valExpressions: count,
    stepsPerEpoch: count,
    totalSteps: count,
    warmupSteps: count,
    parameters: count,
    /** Step that the run goes on from; 0 for a new run. */
    resumedStep: count,
    versions: z.record(z.string(), z.string()),
    device: z.string(),
  }),
  /** The steps since the last event. */
  z.object({type: z.literal('steps'), steps: z.array(stepSchema), expressionsPerSecond: z.number()}),
  z.object({type: z.literal('validation'), done: count, total: count}),
  z.object({
    type: z.literal('epoch'),
    epoch: count,
    step: count,
    valAccuracy: z.number().nullable(),
    seconds: z.number(),
    /** Whether this is the best accuracy so far. */
    best: z.boolean(),
  }),
])

/** The outcome of a training run. */
export const trainResultSchema = z.object({
  outputDir: z.string(),
  steps: count,
  epochs: count,
  best: z.object({epoch: count, valAccuracy: z.number()}).nullable(),
  lastValAccuracy: z.number().nullable(),
  /** Why the run ended before its last step; null when it did not. */
  stoppedEarly: z.string().nullable(),
  secondsTotal: z.number(),
  /** How long steps waited for a batch to be assembled, since the run was started or resumed. */
  secondsWaiting: z.number(),
  files: z.object({metrics: z.string(), last: z.string(), best: z.string().nullable()}),
})

/** So many of `total` expressions are judged, or, before the first one, steps of the export of the model's graph done. */
export const evaluateEventSchema = z.object({
  type: z.enum(['export', 'progress']),
  done: count,
  total: count,
})

/**
 * What an evaluation can take away, to see what the model relies on. `text`: each image gets a phrase that was said of
 * another. `image`: each image gets the region features of another, and keeps its boxes. `location`: the model is told
 * of each box the place of another box of the image. `order`: the words of each phrase in another order.
 */
export const ablations = ['text', 'image', 'location', 'order'] as const

/** The figures of an evaluation. */
export const evaluateResultSchema = z.object({
  /** Share of the sentences whose chosen region has IoU > 0.5. */
  accuracy: z.number(),
  correct: count,
  total: count,
  split: z.string(),
  /** What was taken away, if anything. */
  ablate: z.enum(ablations).nullable(),
  /** What was left out by its id: how many expressions of the split, and the ids that no split of the data has. */
  excluded: z
    .object({by: z.enum(['sent', 'ref']), expressions: count, unknownIds: z.array(z.int())})
    .nullable(),
  ...computedWith,
  /** Why a faster engine did not compute, where that was tried. */
  engineNote: z.string().nullable(),
  /** Mean over batches, in data order, of the batch loss. */
  meanBatchLoss: z.number(),
  secondsTotal: z.number(),
  secondsCompute: z.number(),
  expressionsPerSecond: z.number(),
})

export const regionSchema = z.object({
  /** Region of the store; 0 is the whole picture. */
  index: count,
  /** x1, y1, x2, y2 in pixels. */
  box: z.tuple([z.number(), z.number(), z.number(), z.number()]),
  /** Sigmoid of the logit: the overlap that the model expects. */
  score: z.number(),
  logit: z.number(),
})

export const predictReplySchema = z.object({
  ...computedWith,
  image: count,
  width: count,
  height: count,
  answers: z.array(z.object({phrase: z.string(), regions: z.array(regionSchema)})),
})

export const predictBatchReplySchema = z.object({
  ...computedWith,
  answers: z.array(z.object({width: count, height: count, regions: z.array(regionSchema)})),
})

/** One of {@link ablations}. */
export type Ablation = (typeof ablations)[number]
/** How a training goes on: it starts, takes steps, ends epochs. An event covers the steps of a short while. */
export type TrainEvent = z.infer<typeof trainEventSchema>
/** How a training ended, and the files that it left. */
export type TrainResult = z.infer<typeof trainResultSchema>
/** How many expressions of a split are done; before them, how far an export of the model's graph is. */
export type EvaluateEvent = z.infer<typeof evaluateEventSchema>
/** Accuracy on a split, 0 to 1, and how long it took. */
export type EvaluateResult = z.infer<typeof evaluateResultSchema>
/** A region with its box and how well it fits a phrase. */
export type RankedRegion = z.infer<typeof regionSchema>
