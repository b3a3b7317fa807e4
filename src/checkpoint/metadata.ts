import {z} from 'zod'

import {dtypeBytes} from '../formats/dtypes.js'
import type {Dtype} from '../formats/dtypes.js'
import {structureSchema} from './structure.js'

/** The form of the description that is written beside each checkpoint. */
export const metadataForm = 'vilbert-ts/checkpoint@1'

// A name in the folder of the description and nothing else: no way up, no other place, no URL, no odd character.
const ordinaryName = /^[\p{L}\p{N}_][\p{L}\p{M}\p{N} _.()+=,@~-]{0,200}$/u

/** Whether a text can be the name of a file that a description points to. */
export function isPayloadName(name: string): boolean {
  return ordinaryName.test(name) && !name.includes('..') && !/[. ]$/.test(name)
}

const fileName = z
  .string()
  .refine(isPayloadName, 'must be the name of a file beside the description')
  .meta({pattern: ordinaryName.source})
const count = z.int().min(0)
const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits')
const codes = Object.keys(dtypeBytes) as [Dtype, ...Dtype[]]
const record = z.record(z.string(), z.unknown())

/** One tensor: where its little-endian C-order bytes lie in the payload, and what they are. */
const tensorSchema = z.strictObject({
  name: z.string().min(1),
  dtype: z.enum(codes).describe('Element type by its safetensors code; C128 is our own.'),
  shape: z.array(count).max(16),
  offset: count.describe('First byte in the payload file.'),
  nbytes: count,
  sha256: sha256.describe('Of these bytes.'),
})

const sourceSchema = z.strictObject({
  file: fileName,
  sizeBytes: count,
  sampleSha256: sha256.describe('As that of the payload.'),
  sha256: sha256.nullable().describe('Of the whole file; null where it is large and nobody asked for it.'),
})

const checkSchema = z.strictObject({
  probe: z.string().describe('Which fixed batch both files were run on.'),
  largestDifference: z.number().describe('Of any output of the two.'),
  outputs: z.record(z.string(), z.number()).describe('The largest difference of each output.'),
})

const conversionSchema = z.strictObject({
  action: z.literal('convert'),
  at: z.string().describe('Time in UTC, ISO 8601.'),
  version: z.string().describe('Of vilbert-ts.'),
  from: sourceSchema,
  dtype: z.string().nullable().describe('Type that floating-point numbers were converted to.'),
  recOnly: z.boolean().describe('Whether only what referring expressions need was kept.'),
  renamed: count.describe('Tensors that got another name.'),
  transposed: count.describe('Matrices that were transposed.'),
  dropped: z.array(z.string()).describe('Tensors that were left out.'),
  check: checkSchema.nullable(),
})

/** The description of a checkpoint, `vilbert-ts/checkpoint@1`. */
export const metadataSchema = z
  .strictObject({
    $schema: z.string().optional().describe('Link to the JSON Schema, for editors.'),
    schema: z.literal(metadataForm),
    file: fileName.describe('The payload: a .pdparams or a .safetensors beside the description.'),
    sizeBytes: count.describe('Size of the payload.'),
    sampleSha256: sha256.describe(
      'SHA-256 of the size in decimal and of 64 blocks of 4096 bytes spread over the payload: tells versions apart.',
    ),
    producer: z.record(z.string(), z.string()).describe('What wrote it, with versions.'),
    config: record.nullable().describe("The model's configuration."),
    training: record.nullable().default(null).describe('Where the training stood.'),
    metrics: record.nullable().default(null).describe('What was measured.'),
    source: sourceSchema.nullable().default(null).describe('The file that this one was converted from.'),
    history: z.array(conversionSchema).default([]).describe('Conversions, oldest first.'),
    structure: structureSchema.default({}),
    tensors: z.array(tensorSchema),
  })
  .describe('A checkpoint: what its payload holds, and where it comes from.')

/** The description of a checkpoint: the JSON beside its weights. */
export type Metadata = z.output<typeof metadataSchema>
/** Where a tensor lies in the file of its checkpoint, and the SHA-256 of its bytes. */
export type TensorRecord = z.output<typeof tensorSchema>
/** A conversion that a checkpoint has gone through. */
export type Conversion = z.output<typeof conversionSchema>
/** How far the outputs of a converted checkpoint are from those of its source. */
export type CheckOutcome = z.output<typeof checkSchema>

/** The form that was proposed first: it names a file for each tensor. It is read and never written. */
export const draftSchema = z.strictObject({
  format: z.literal('vilbert-ts.checkpoint/1'),
  source: z.strictObject({file: fileName, sha256, bytes: count}),
  epoch: count.optional(),
  tensors: z.array(z.strictObject({...tensorSchema.shape, file: fileName})),
})

export type DraftMetadata = z.output<typeof draftSchema>

/** The JSON Schema (draft 2020-12) of the description. */
export function metadataJsonSchema(): Record<string, unknown> {
  const {$schema, ...rest} = z.toJSONSchema(metadataSchema, {io: 'input'})
  return {$schema, title: 'vilbert-ts checkpoint', ...rest}
}

/** The description as it is written: one line a tensor, so that a difference reads like one. */
export function metadataText(metadata: Metadata): string {
  const {tensors, ...head} = metadata
  const lines = tensors.map((tensor) => `\n    ${JSON.stringify(tensor)}`).join(',')
  const body = JSON.stringify(head, undefined, 2).slice(0, -2)
  return `${body},\n  "tensors": [${lines}${tensors.length > 0 ? '\n  ' : ''}]\n}\n`
}
