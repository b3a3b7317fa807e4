import {existsSync} from 'node:fs'
import {mkdir} from 'node:fs/promises'
import {dirname, join} from 'node:path'
import {z} from 'zod'
import {DataError, printable} from '../../errors.js'
import {readOwnJson, writeFileAtomic} from '../../files.js'
import {withFileLock} from './lock.js'

const pinSchema = z.object({
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  sizeBytes: z.number().int().nonnegative(),
  /** When it was learned, as ISO 8601. */
  learnedAt: z.string(),
})
const pinsSchema = z.object({
  schema: z.literal('vilbert-ts/pins@1'),
  pins: z.record(z.string(), pinSchema),
})

/** What a file was when it was fetched for the first time. */
export type Pin = z.output<typeof pinSchema>

/** Where learned hashes are kept. */
export function pinsFile(dataRoot: string): string {
  return join(dataRoot, '.vilbert-ts', 'pins.json')
}

/**
 * The hashes learned so far, by source.
 * @throws DataError E_PINS when the file is damaged: without it a changed file would go unnoticed
 */
export async function readPins(dataRoot: string): Promise<Readonly<Record<string, Pin>>> {
  const file = pinsFile(dataRoot)
  if (!existsSync(file)) return {}
  const parsed = pinsSchema.safeParse(await readOwnJson(file))
  if (parsed.success) return parsed.data.pins
  throw new DataError(`The file of learned hashes ${printable(file, 300)} is damaged.`, {
    code: 'E_PINS',
    next: 'Restore it, or delete it to learn them anew.',
  })
}

/** Keeps the hash of a source's file; other processes may do so for theirs at the same time. */
export async function learnPin(dataRoot: string, id: string, pin: Pin): Promise<void> {
  const file = pinsFile(dataRoot)
  await mkdir(dirname(file), {recursive: true})
  await withFileLock(file, async () => {
    const pins = {...(await readPins(dataRoot)), [id]: pin}
    await writeFileAtomic(file, `${JSON.stringify({schema: 'vilbert-ts/pins@1', pins}, null, 2)}\n`)
  })
}
