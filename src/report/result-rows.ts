import {readFile} from 'node:fs/promises'
import {z} from 'zod'
import {DataError, printable} from '../errors.js'

const rowSchema = z.object({
  /** Image id. */
  id: z.int(),
  /** Region of the highest logit. */
  target: z.int().min(0),
  /** Its IoU with the box that is meant. */
  IOU: z.number(),
  sent_id: z.int().optional(),
  ref_id: z.int().optional(),
  /** One a region. */
  logits: z.array(z.number()).min(1).optional(),
})

/** A row of a result file, as `eval --results FILE --logits` writes it; other programs write the first three fields. */
export type ResultRow = z.infer<typeof rowSchema>

/** Reads a result file. @throws DataError naming the row and the field */
export async function readResultRows(path: string): Promise<readonly ResultRow[]> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason'
    throw damaged(path, `it cannot be read (${reason})`, error)
  })
  return parseResultRows(text, path)
}

/** The rows of a result file's text. @throws DataError naming the row and the field */
export function parseResultRows(text: string, path: string): readonly ResultRow[] {
  const parsed = z.array(rowSchema).min(1).safeParse(jsonOf(text, path))
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const [row, ...field] = issue?.path ?? []
  const place =
    row === undefined ? '' : `row ${String(row)}${field.length > 0 ? `, ${field.join('.')}` : ''}: `
  throw damaged(path, `${place}${issue?.message ?? 'not a result file'}`)
}

function jsonOf(text: string, path: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw damaged(path, 'it is not JSON', error)
  }
}

function damaged(path: string, what: string, cause?: unknown): DataError {
  return new DataError(`${printable(path, 300)} is not a result file: ${what}.`, {
    code: 'E_RESULTS',
    next: 'Write one with `vilbert-ts eval … --results FILE --logits`.',
    cause,
  })
}
