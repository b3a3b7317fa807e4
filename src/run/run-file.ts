import {createHash} from 'node:crypto'
import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {z} from 'zod'
import type {DataConfig} from '../config/data.js'
import type {ModelConfig} from '../config/model.js'
import type {TrainingConfig} from '../config/training.js'
import {CheckpointError, printable} from '../errors.js'
import {writeFileAtomic} from '../files.js'

const settings = z.record(z.string(), z.unknown())
const runFileSchema = z.object({
  schema: z.literal('vilbert-ts/run@1'),
  createdAt: z.string(),
  /** The command line, or what the program says of itself. */
  command: z.array(z.string()),
  versions: z.record(z.string(), z.string()),
  device: z.string(),
  model: settings,
  training: settings,
  data: settings,
  /** Where each value came from, by `section.key`. */
  origin: z.record(z.string(), z.string()),
  /** Change with what they are of. */
  fingerprints: z.object({data: z.string(), config: z.string(), code: z.string()}),
  resumed: z.array(z.object({at: z.string(), command: z.array(z.string()), changes: z.array(z.string())})),
})

/** `run.json`: everything that is needed to make the run again. */
export type RunFile = z.infer<typeof runFileSchema>

/** What of a run is written down when it starts. */
export type RunDescription = {
  readonly command: readonly string[]
  readonly versions: Readonly<Record<string, string>>
  readonly device: string
  readonly model: ModelConfig
  readonly training: TrainingConfig
  readonly data: Partial<DataConfig>
  readonly origin: Readonly<Record<string, string>>
  readonly dataFingerprint: string
  readonly codeFingerprint: string
}

/** Reads the description of a run. @throws CheckpointError if the folder holds no run */
export async function readRunFile(folder: string): Promise<RunFile> {
  const path = join(folder, 'run.json')
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new CheckpointError(
      `${printable(folder, 300)} is not the folder of a training run: it has no run.json.`,
      {
        code: 'E_NO_RUN',
        next: 'Pass the --output-dir of an earlier `vilbert-ts train`.',
        cause: error,
      },
    )
  })
  const parsed = runFileSchema.safeParse(jsonOrUndefined(text))
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new CheckpointError(
    `${printable(path, 300)} does not describe a training run: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}.`,
    {code: 'E_NO_RUN', next: 'Only runs of vilbert-ts can be resumed.'},
  )
}

/** Writes the description of a new run. */
export async function writeRunFile(folder: string, run: RunDescription): Promise<void> {
  await write(folder, {...describe(run), resumed: []})
}

/**
 * Notes that a run goes on, and names what is not as it was when it started: data, configuration, versions.
 * The description keeps what the run started with.
 */
export async function noteResume(folder: string, run: RunDescription): Promise<readonly string[]> {
  const before = await readRunFile(folder)
  const now = describe(run)
  const changes = [
    ...(before.fingerprints.data === now.fingerprints.data ? [] : ['the data set has another content']),
    ...differences('data', stateOf(before.data), stateOf(now.data)),
    ...differences('model', before.model, now.model),
    ...differences('training', before.training, now.training),
    ...differences('version of', before.versions, now.versions),
    ...(before.fingerprints.code === now.fingerprints.code ? [] : ["the program's own code"]),
  ]
  const resumed = [...before.resumed, {at: now.createdAt, command: [...run.command], changes}]
  await write(folder, {...before, resumed})
  return changes
}

function describe({dataFingerprint, codeFingerprint, command, origin, versions, ...run}: RunDescription) {
  return {
    schema: 'vilbert-ts/run@1' as const,
    createdAt: new Date().toISOString(),
    command: [...command],
    versions: {...versions},
    device: run.device,
    model: {...run.model},
    training: {...run.training},
    data: {...run.data},
    origin: {...origin},
    fingerprints: {
      data: dataFingerprint,
      config: configFingerprint(run),
      code: codeFingerprint,
    },
  }
}

/** Changes with any setting of the model or the training. */
export function configFingerprint({model, training}: Pick<RunFile, 'model' | 'training'>): string {
  return createHash('sha256')
    .update(JSON.stringify([model, training]))
    .digest('hex')
    .slice(0, 16)
}

async function write(folder: string, run: RunFile): Promise<void> {
  const path = join(folder, 'run.json')
  await writeFileAtomic(path, `${JSON.stringify(run, null, 2)}\n`).catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error)
    throw new CheckpointError(`${printable(path, 300)} cannot be written: ${printable(reason, 300)}.`, {
      code: 'E_RUN_FILE',
      next: 'Make room, or choose another --output-dir.',
      cause: error,
    })
  })
}

/** What changes the numbers that the model sees; where the files lie does not. Runs before there was float16 had none. */
function stateOf(data: RunFile['data']): Record<string, unknown> {
  return {featuresDtype: data['featuresDtype'] ?? 'float32'}
}

/** Keys that may change without making it another run. */
const free = new Set([
  'outputDir',
  'fromPretrained',
  'keep',
  'saveEverySteps',
  'timeLimitMinutes',
  'recompute',
  'workers',
])

function differences(
  what: string,
  before: Readonly<Record<string, unknown>>,
  now: Readonly<Record<string, unknown>>,
): string[] {
  const keys = [...new Set([...Object.keys(before), ...Object.keys(now)])].filter((key) => !free.has(key))
  return keys
    .filter((key) => JSON.stringify(before[key]) !== JSON.stringify(now[key]))
    .map((key) => `${what} ${key} was ${JSON.stringify(before[key])}, is ${JSON.stringify(now[key])}`)
}

function jsonOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
