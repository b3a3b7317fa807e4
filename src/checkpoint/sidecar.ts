import {existsSync} from 'node:fs'
import {z} from 'zod'
import {CheckpointError, printable} from '../errors.js'
import {readOwnJson} from '../files.js'

/** What is written beside each checkpoint; the configuration in it spares the user `--config`. */
const sidecarSchema = z.looseObject({
  schema: z.literal('vilbert-ts/checkpoint@1'),
  config: z.record(z.string(), z.unknown()),
})

export type Sidecar = z.infer<typeof sidecarSchema>

/** `best.pdparams` has `best.json` beside it. */
export function sidecarPath(checkpoint: string): string {
  return `${checkpoint.replace(/\.(pdparams|safetensors|bin)$/, '')}.json`
}

/**
 * Reads the JSON beside a checkpoint; undefined where there is none.
 * @throws CheckpointError if it is there but not ours
 */
export async function readSidecar(checkpoint: string): Promise<Sidecar | undefined> {
  const path = sidecarPath(checkpoint)
  if (path === checkpoint || !existsSync(path)) return undefined
  const parsed = sidecarSchema.safeParse(await readOwnJson(path))
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new CheckpointError(
    `${printable(path, 300)} is not the description of a checkpoint: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}.`,
    {code: 'E_META', next: 'Move it away, or give the model with --config.', cause: parsed.error},
  )
}
