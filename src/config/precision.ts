import {z} from 'zod'

/** What numbers a model computes with; bf16 keeps 8 bits of 24, `auto` is what is fastest on the machine. */
export const precisionSchema = z.enum(['fp32', 'bf16', 'auto'])

/** The settings of work with a finished model: what flags are made from. */
export const scoringFields = z.strictObject({
  precision: precisionSchema
    .default('fp32')
    .describe('Number format: fp32 is exact, bf16 fast on newer CPUs and GPUs.'),
})

export type Precision = z.output<typeof precisionSchema>
