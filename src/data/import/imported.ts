import {statSync} from 'node:fs'
import {join, resolve} from 'node:path'

import {z} from 'zod'

import {DataError, printable} from '../../errors.js'
import {readOwnJson} from '../../files.js'
import {ownDataset} from '../datasets.js'
import type {PreparedData} from '../prepare.js'

/** What `data import` leaves in `<data-root>/own`: trusted forms, and `imported.json` that vouches for them. */
export const importedFiles = {
  receipt: 'imported.json',
  expressions: 'expressions.json',
  detected: 'detected.safetensors',
  annotated: 'annotated.safetensors',
  /** The outlines, for masks. */
  instances: 'instances.json',
} as const

const countsSchema = z.object({refs: z.number(), expressions: z.number(), images: z.number()})
const receiptSchema = z.object({
  schema: z.literal('vilbert-ts/imported@1'),
  fingerprint: z.string(),
  splits: z.record(z.string(), countsSchema),
  /** Of expressions, detected and annotated. */
  sizesBytes: z.tuple([z.number(), z.number(), z.number()]),
})

/** The content of `imported.json`. */
export type ImportReceipt = z.infer<typeof receiptSchema>

/**
 * Finds the data set that `data import` made.
 * @throws DataError E_MISSING_FILE or E_IMPORT when it is not there or not whole
 */
export async function openImported(dataRoot: string, annotated: boolean): Promise<PreparedData> {
  const folder = resolve(dataRoot, ownDataset)
  const next = 'Make it with `vilbert-ts data import`.'
  const read = receiptSchema.safeParse(await readOwnJson(join(folder, importedFiles.receipt)))
  if (!read.success) {
    const message = `There is no imported data set in ${printable(folder, 300)}.`
    throw new DataError(message, {code: 'E_MISSING_FILE', next})
  }
  const files = [importedFiles.expressions, importedFiles.detected, importedFiles.annotated]
  const [expressionsFile = '', detectedFile = '', annotatedFile = ''] = files.map((name) =>
    join(folder, name),
  )
  for (const [index, file] of [expressionsFile, detectedFile, annotatedFile].entries()) {
    if (statSync(file, {throwIfNoEntry: false})?.size === read.data.sizesBytes[index]) continue
    const message = `${printable(file, 300)} is missing or not as it was imported.`
    throw new DataError(message, {code: 'E_IMPORT', next: `${next.slice(0, -1)} again.`})
  }
  const {fingerprint, splits} = read.data
  return {
    ...{dataset: ownDataset, splitBy: ownDataset, expressionsFile, detectedFile},
    ...{detectedSource: detectedFile, annotatedSource: annotatedFile},
    ...{annotatedFile: annotated ? annotatedFile : null, splits, fingerprint},
  }
}
