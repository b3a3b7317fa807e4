import {readdir, readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {z} from 'zod'
import {readSidecar} from '../checkpoint/sidecar.js'
import {FormatError, VilbertError} from '../errors.js'
import {FileSource} from '../formats/byte-source.js'
import {readSafetensors} from '../formats/safetensors.js'

const epochSchema = z.object({
  epoch: z.int().min(1),
  step: z.int().min(0),
  valAccuracy: z.number().nullable(),
  best: z.boolean(),
})
const stateFileSchema = z.object({
  schema: z.literal('vilbert-ts/training-state@1'),
  step: z.int().min(0),
  epochs: z.array(epochSchema),
  best: z.object({step: z.int(), epochs: z.int(), valAccuracy: z.number()}).nullable(),
  seconds: z.number(),
  stepsPerEpoch: z.int().min(1),
})

/** What `state.json` says of a run at one step. */
export type StateFile = z.infer<typeof stateFileSchema>

/** A state to resume from. */
export type SavedState = {
  readonly name: string
  readonly folder: string
} & (
  | {readonly file: StateFile; readonly problem: null}
  /** Why it cannot be resumed from. */
  | {readonly file: null; readonly problem: string}
)

/** The states of a run, the newest first; nothing is hashed, but a file that was cut off is found. */
export async function readStates(runFolder: string): Promise<SavedState[]> {
  const folder = join(runFolder, 'states')
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.startsWith('step-'))
  const states = names
    .sort()
    .reverse()
    .map(async (name) => await readState(name, join(folder, name)))
  return await Promise.all(states)
}

/** The name that a state has, as python/vilbert/run_folder.py gives it. */
export function stateName(step: number, epochs: number): string {
  return `step-${String(step).padStart(8, '0')}-epochs-${String(epochs).padStart(5, '0')}`
}

/** The files of weights that a state may have; `averages` are published where they are. */
export const weightFiles = ['averages.pdparams', 'weights.pdparams'] as const

async function readState(name: string, folder: string): Promise<SavedState> {
  try {
    const file = stateFileSchema.parse(JSON.parse(await readFile(join(folder, 'state.json'), 'utf8')))
    if (stateName(file.step, file.epochs.length) !== name)
      throw new FormatError('E_STATE', 'state.json is of another state')
    checkFiles(folder)
    return {name, folder, file, problem: null}
  } catch (error) {
    return {name, folder, file: null, problem: reasonOf(error)}
  }
}

function checkFiles(folder: string): void {
  for (const weights of weightFiles) {
    const sidecar = readSidecar(join(folder, weights))
    if (sidecar?.isCurrent === false)
      throw new FormatError('E_STATE', `${weights} is not what its JSON describes`)
    if (sidecar === undefined && weights === 'weights.pdparams')
      throw new FormatError('E_STATE', `${weights} or its JSON is missing`)
  }
  using optimizer = new FileSource(join(folder, 'optimizer.safetensors'))
  readSafetensors(optimizer)
}

function reasonOf(error: unknown): string {
  if (error instanceof VilbertError) return error.message.replace(/\.$/, '')
  if (error instanceof z.ZodError || error instanceof SyntaxError)
    return 'state.json is not that of a training state'
  if (error instanceof Error && 'code' in error) return `state.json cannot be read (${String(error.code)})`
  throw error
}
