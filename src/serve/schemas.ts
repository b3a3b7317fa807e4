import {z} from 'zod'
import {regionSchema} from '../model/events.js'
import {runProgresses} from '../run/progresses.js'

const count = z.int().min(0)
const box = z.tuple([z.number(), z.number(), z.number(), z.number()])

/** What `POST /api/v1/predict` takes. */
export const predictRequestSchema = z.strictObject({
  image: count.describe('Image id of the data set.'),
  phrase: z.string().trim().min(1).max(500).describe('Which object is meant.'),
  topK: z.int().min(1).max(100).default(5).describe('Regions to answer with, best first.'),
  attention: z.boolean().default(false).describe('Whether to say what each region takes from each word.'),
  leaveOut: z.boolean().default(false).describe('Whether to ask again without each word.'),
})

/** What it answers, and what Python answers. */
export const predictReplySchema = z.object({
  image: count,
  width: count.describe('Pixels.'),
  height: count.describe('Pixels.'),
  phrase: z.string(),
  words: z.array(z.string()).describe('The phrase, cut at blanks.'),
  regions: z.array(regionSchema).describe('Best first.'),
  attention: z
    .object({
      layer: count.describe(
        'Co-attention layer, counted from 0: the last one, which the answer is read from.',
      ),
      boxes: z.array(box).describe('Every region that the model sees, x1, y1, x2, y2 in pixels.'),
      words: z
        .array(z.array(z.number()).nullable())
        .describe('For each word the share of attention that each region gives it; null for words not read.'),
    })
    .optional(),
  leaveOut: z
    .array(
      z.object({
        score: z.number().describe('Score of the chosen region without the word.'),
        drop: z.number().describe('By how much it falls.'),
        chosen: count.describe('Region that is chosen then.'),
      }),
    )
    .optional()
    .describe('For each word, the answer without it.'),
})

export const imageSchema = z.object({
  id: count,
  width: z.number().describe('Pixels.'),
  height: z.number().describe('Pixels.'),
  hasPicture: z.boolean().describe('Whether the file of the picture is there.'),
})

export const imageListSchema = z.object({
  total: count,
  splits: z.array(z.string()).describe('The splits that can be asked for.'),
  images: z.array(imageSchema),
})

export const imageDetailsSchema = imageSchema.extend({
  refs: z.array(
    z.object({
      refId: z.number(),
      split: z.string(),
      category: z.string().nullable(),
      box,
      sentences: z.array(z.string()),
    }),
  ),
})

/** Where a run stands, as `run list` says it. */
export const runStateSchema = z.enum(runProgresses)

export const runSchema = z.object({
  id: z.string(),
  state: runStateSchema,
  startedAt: z.string().nullable(),
  steps: count,
  lastLoss: z.number().nullable(),
  epochs: count.describe('Epochs that are done.'),
  plannedEpochs: count.nullable(),
  bestAccuracy: z.number().nullable(),
})

export const runListSchema = z.object({runs: z.array(runSchema)})

export const curvesSchema = z.object({
  loss: z.array(z.object({step: count, loss: z.number()})),
  validations: z.array(z.object({epoch: count, step: count, accuracy: z.number(), best: z.boolean()})),
})

export const metricsSchema = runSchema.extend({
  ...curvesSchema.shape,
  offset: count.describe('Bytes of metrics.jsonl that this tells of: `from` of the events that follow.'),
})

export const healthSchema = z.object({
  status: z.enum(['ok', 'restarting', 'no model']),
  version: z.string(),
  model: z
    .object({
      file: z.string(),
      dataset: z.string(),
      splitBy: z.string(),
      images: count,
    })
    .nullable(),
  python: z.object({pid: z.int().nullable(), starts: count}).nullable(),
  queue: z.object({waiting: count, limit: count}).nullable(),
})

export const problemSchema = z.object({
  error: z.object({code: z.string(), message: z.string(), next: z.string().optional()}),
})

export type PredictRequest = z.output<typeof predictRequestSchema>
export type PredictReply = z.infer<typeof predictReplySchema>
export type ImageList = z.infer<typeof imageListSchema>
export type ImageDetails = z.infer<typeof imageDetailsSchema>
export type RunState = z.infer<typeof runStateSchema>
export type RunSummary = z.infer<typeof runSchema>
export type RunMetrics = z.infer<typeof metricsSchema>
export type Curves = z.infer<typeof curvesSchema>
export type Health = z.infer<typeof healthSchema>
