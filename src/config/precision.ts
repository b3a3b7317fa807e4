import {z} from 'zod'

/** What numbers a model computes with; bf16 keeps 8 bits of 24, `auto` is what is fastest on the machine. */
export const precisionSchema = z.enum(['fp32', 'bf16', 'auto'])

/**
 * Which code computes: the kernels of this program, the graph of the model exported for Paddle Inference, or Paddle's own
 * operators; `auto` is what is fastest on the machine.
 */
export const engineSchema = z.enum(['auto', 'kernels', 'exported', 'stock'])

/** The settings of work with a finished model: what flags are made from. */
export const scoringFields = z.strictObject({
  engine: engineSchema
    .default('auto')
    .describe(
      "Code that computes: this program's kernels, the model's graph exported once for Paddle Inference, or Paddle's operators.",
    ),
  precision: precisionSchema
    .default('fp32')
    .describe('Number format: fp32 is exact, bf16 fast on newer CPUs and GPUs.'),
})

export type Precision = z.output<typeof precisionSchema>
/** One of {@link engineSchema}. */
export type Engine = z.output<typeof engineSchema>
