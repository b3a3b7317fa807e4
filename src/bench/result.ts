import {z} from 'zod'

export const benchSections = ['eval', 'train', 'data', 'memory'] as const
export const benchProfiles = ['sparse', 'bottom-up', 'dense'] as const

const count = z.int().min(0)

/** A round is over: `done` of `total` of what is measured now. */
export const benchEventSchema = z.object({
  type: z.literal('round'),
  what: z.string(),
  done: count,
  total: count,
})

const measurementSchema = z.object({
  section: z.enum(benchSections),
  /** Which regions the images have, or how many images there are. */
  profile: z.string(),
  /** Whose turn was measured: the published way, or ours in this precision. */
  side: z.enum(['baseline', 'fp32', 'bf16']),
  /** The code that computed. */
  engine: z.string(),
  /** Of `median`, `least` and `most`. */
  unit: z.enum(['ms/expression', 'ms/item', 'MiB']),
  median: z.number(),
  least: z.number(),
  most: z.number(),
  /** How many times better than the baseline of this run; null without one. */
  timesBaseline: z.number().nullable(),
})

/** Where the time of a training step on the kernels goes. */
const stepSchema = z.object({
  profile: z.string(),
  side: z.enum(['fp32', 'bf16']),
  msPerStep: z.number(),
  parts: z.array(z.object({name: z.string(), ms: z.number()})),
  /** The best rate of one large matrix product in this precision, in 10⁹ operations a second. */
  machineGflops: z.number(),
  /** The rate of the step's products while they run. */
  productGflops: z.number(),
  /** Their operations over the time of the whole step. */
  stepGflops: z.number(),
})

export const benchReplySchema = z.object({
  machine: z.object({
    processor: z.string(),
    cores: count,
    threads: count,
    /** Of one minute, when everything was measured; about the threads where nobody else computes. */
    loadAverage: z.number(),
    device: z.string(),
    versions: z.record(z.string(), z.string()),
  }),
  /** Numbers in the model; 0 where no model was made. */
  parameters: count,
  rounds: count,
  batchSizes: z.object({eval: count, train: count}),
  measurements: z.array(measurementSchema),
  /** Whether bf16 chooses what fp32 chooses; on made data with random weights, and on real data with trained ones. */
  agreement: z.array(
    z.object({
      what: z.string(),
      expressions: count,
      /** Share of the expressions whose chosen region is the same. */
      sameRegion: z.number(),
      accuracyFp32: z.number(),
      accuracyBf16: z.number(),
    }),
  ),
  /** None where training does not run on the kernels. */
  steps: z.array(stepSchema),
})

/** Wall-clock times of a command from outside. */
export type OutsideTimes = {
  readonly command: string
  readonly runs: number
  readonly medianSeconds: number
  readonly leastSeconds: number
  readonly mostSeconds: number
}

/** A round of a measurement is done. */
export type BenchEvent = z.infer<typeof benchEventSchema>
/** What one side took in one section, and how many times better than the published way that is. */
export type Measurement = z.infer<typeof measurementSchema>
/** Where the time of a training step goes, in milliseconds, and the rates of its arithmetic in GFLOP/s. */
export type StepParts = z.infer<typeof stepSchema>
/** All that `bench` measured, and the machine on which it was. */
export type BenchResult = z.infer<typeof benchReplySchema> & {readonly outside: readonly OutsideTimes[]}
