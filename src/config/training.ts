import {z} from 'zod'
import {precisionSchema} from './precision.js'
import {addRules, integerAt, integersAt, numberAt, type Rule} from './rules.js'

/** The head learns this much faster than the body unless told otherwise: 1e-4 against 4e-5 as published. */
const HEAD_LR_FACTOR = 2.5

const count = z.int().min(1).max(1_000_000_000)
const rate = z.number().positive().max(10)

const trainingShape = {
  fromPretrained: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe('Weights to start from; none: a new model.'),
  outputDir: z.string().min(1).nullable().default(null).describe('Folder for checkpoints and metrics.'),
  epochs: z.int().min(1).max(100_000).default(20).describe('Times the training split is gone through.'),
  batchSize: z.int().min(1).max(1_000_000).default(256).describe('Expressions in an optimizer step.'),
  evalBatchSize: z.int().min(1).max(1_000_000).default(512).describe('Expressions at once when validating.'),
  gradAccumulation: z.int().min(1).max(1_000_000).default(1).describe('Parts into which a batch is cut.'),
  lr: rate.default(4e-5).describe('Learning rate of the body.'),
  headLr: rate
    .nullable()
    .default(null)
    .describe(`Learning rate of the heads; none: ${HEAD_LR_FACTOR} times lr.`),
  recipe: z
    .enum(['seed', 'corrected'])
    .default('seed')
    .describe('seed: as published, decays biases and norms only; corrected: decays the matrices.'),
  warmupFraction: z
    .number()
    .min(0)
    .lt(1)
    .default(0.1)
    .describe('Share of the steps in which the rate rises.'),
  decayEpochs: z
    .array(z.int().min(1).max(100_000))
    .max(100)
    .default([12, 16])
    .describe('Epochs at which the rate falls to a tenth.'),
  weightDecay: z.number().min(0).lt(1).default(0.01).describe('Weight decay of AdamW.'),
  clip: z
    .number()
    .positive()
    .nullable()
    .default(1)
    .describe('Gradients are cut to ± this value; none: not at all.'),
  dropout: z
    .number()
    .min(0)
    .lt(1)
    .nullable()
    .default(null)
    .describe("Every dropout rate; none: the model's own."),
  shuffle: z.boolean().default(true).describe('Shuffle the expressions in each epoch.'),
  seed: z.int().min(0).max(4_294_967_295).default(42).describe('Seed of weights, order and dropout.'),
  maxSteps: count
    .nullable()
    .default(null)
    .describe('Stop after this many optimizer steps; none: after the epochs.'),
  limit: count.nullable().default(null).describe('Use only the first N expressions of a split; none: all.'),
  fraction: z.number().gt(0).max(1).default(1).describe('Share of the training expressions to use.'),
  freeze: z
    .array(z.string().min(1).max(200))
    .max(100)
    .default([])
    .describe('Patterns of parameters that do not learn, such as bert.encoder.layer.*'),
  ema: z
    .number()
    .gt(0)
    .lt(1)
    .nullable()
    .default(null)
    .describe('Decay of a moving average of the weights, which is then judged and saved; none: off.'),
  patience: count
    .nullable()
    .default(null)
    .describe('Stop after this many validations without a better one; none: never.'),
  evalEvery: z.int().min(1).max(100_000).default(1).describe('Epochs between validations.'),
  saveEverySteps: count
    .nullable()
    .default(null)
    .describe('Also save a state to resume from after this many steps; none: after each epoch.'),
  keep: z.int().min(1).max(10_000).default(1).describe('Newest states to keep, beside the best.'),
  timeLimitMinutes: z
    .number()
    .positive()
    .nullable()
    .default(null)
    .describe('Stop in order after this many minutes; none: never.'),
  nproc: z.int().min(1).max(1024).default(1).describe('Processes on CPUs that share each batch.'),
  devices: z
    .string()
    .regex(/^(cpu|gpu:\d+(,\d+)*)$/, 'must be cpu or GPUs by number, such as gpu:0,1')
    .nullable()
    .default(null)
    .describe('cpu, or GPUs that share each batch, such as gpu:0,1; none: the first GPU if there is one.'),
  precision: precisionSchema
    .default('fp32')
    .describe('Products on CPUs: fp32 is exact, bf16 fast on newer CPUs; weights and sums stay fp32.'),
  amp: z
    .enum(['O1', 'O2'])
    .nullable()
    .default(null)
    .describe('Mixed precision on GPUs: O1 for the products of matrices, O2 for nearly all; none: float32.'),
  dtype: z.enum(['bfloat16', 'float16']).default('bfloat16').describe('Number format of amp.'),
  recompute: z
    .boolean()
    .default(false)
    .describe(
      'Compute activations twice instead of keeping them: less memory, about a third more time, the same numbers.',
    ),
  workers: z
    .int()
    .min(0)
    .max(64)
    .default(1)
    .describe('Threads that assemble batches ahead; 0: between the steps.'),
  deterministic: z
    .boolean()
    .default(false)
    .describe('The same weights to the bit each time: same number of threads, GPU sums in a fixed order.'),
}

/** The training settings one by one: what flags are made from. */
export const trainingFields = z.strictObject(trainingShape)

/** How a model is trained; the defaults are the published recipe. */
export const trainingConfigSchema = addRules(trainingFields, [
  divisibleBatch,
  ascendingDecay,
  warmupBeforeDecay,
])
  .describe('How a model is trained; the defaults are the published recipe.')
  .transform((training) => ({...training, headLr: training.headLr ?? headRate(training.lr)}))

/** Rounded to what a person would write, so that 3e-5 gives 7.5e-5 and not 7.500000000000001e-5. */
function headRate(lr: number): number {
  return Number((HEAD_LR_FACTOR * lr).toPrecision(12))
}

/** Section `training` of a configuration, with every default filled in. */
export type TrainingConfig = z.output<typeof trainingConfigSchema>

/** A batch is cut into equal parts, else their gradients would weigh unequally. */
function divisibleBatch(...[config, report]: Parameters<Rule>): void {
  const batch = integerAt(config, 'batchSize')
  const parts = integerAt(config, 'gradAccumulation')
  if (batch === undefined || parts === undefined || parts < 1 || batch % parts === 0) return
  report(['gradAccumulation'], `must divide batchSize, but ${batch} is not a multiple of ${parts}`)
}

/** The rate falls once at each of these epochs. */
function ascendingDecay(...[config, report]: Parameters<Rule>): void {
  const epochs = integersAt(config, 'decayEpochs')
  if (epochs === undefined || epochs.every((epoch, index) => index === 0 || epoch > (epochs[index - 1] ?? 0)))
    return
  report(['decayEpochs'], `must ascend without repetition, it is [${epochs.join(', ')}]`)
}

/** A rate that falls while it still rises is nobody's intention. */
function warmupBeforeDecay(...[config, report]: Parameters<Rule>): void {
  const fraction = numberAt(config, 'warmupFraction')
  const epochs = integerAt(config, 'epochs')
  const firstDecay = integersAt(config, 'decayEpochs')?.[0]
  if (fraction === undefined || epochs === undefined || firstDecay === undefined) return
  const warmupEpochs = fraction * epochs
  if (firstDecay >= epochs || warmupEpochs <= firstDecay) return
  report(
    ['warmupFraction'],
    `makes the warm-up last ${Number(warmupEpochs.toFixed(2))} epochs, but the rate falls at epoch ${firstDecay} already`,
  )
}
