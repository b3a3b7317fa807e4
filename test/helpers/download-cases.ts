import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import {z} from 'zod'
import {hostileFolder} from './hostile.js'

const caseSchema = z.object({
  id: z.string(),
  file: z.string(),
  family: z.enum(['archive', 'download']),
  kind: z.string(),
  must: z.enum(['reject', 'accept', 'either']),
  codes: z.array(z.string()),
  limits: z.object({max_total: z.number(), max_files: z.number(), max_ratio: z.number()}).optional(),
  /** What the file should have been. */
  expected: z.object({sha256: z.string(), bytes: z.number()}).optional(),
})

/** The bad archives, or the bad answers to a download, and how each must end. */
export function downloadCases(family: 'archive' | 'download'): readonly z.output<typeof caseSchema>[] {
  const text = readFileSync(join(hostileFolder, 'download-manifest.json'), 'utf8')
  const {cases} = z.object({cases: z.array(caseSchema)}).parse(JSON.parse(text))
  return cases.filter((hostile) => hostile.family === family)
}
