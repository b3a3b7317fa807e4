import {createHash} from 'node:crypto'
import {mkdir, readFile, stat} from 'node:fs/promises'
import {join, relative} from 'node:path'
import {z} from 'zod'
import type {PreparedData} from '../data/prepare.js'
import {DataError, printable} from '../errors.js'
import {readOwnJson, sha256File, writeFileAtomic} from '../files.js'
import type {Vilbert} from '../vilbert.js'
import {parseResultRows, type ResultRow} from './result-rows.js'
import {checkpointOf, type FoundData} from './run-folder.js'

export type EvaluationOptions = {
  readonly runFolder: string
  readonly data: FoundData
  readonly prepared: PreparedData
  readonly split: string
  /** @default 32 */
  readonly batchSize?: number | undefined
  readonly signal?: AbortSignal | undefined
}

export type EvaluationProgress = {
  readonly type: 'evaluation'
  readonly split: string
  readonly done: number
  readonly total: number
}

/** The checkpoint that was evaluated. */
export type EvaluatedCheckpoint = {
  readonly file: string
  readonly sizeBytes: number
  readonly sha256: string
}

/** The rows of a split, and where they lie. */
export type Evaluation = {
  readonly rows: readonly ResultRow[]
  readonly file: string
  readonly checkpoint: EvaluatedCheckpoint
}

const keySchema = z.object({
  schema: z.literal('vilbert-ts/eval-key@1'),
  checkpoint: z.object({file: z.string(), sizeBytes: z.number(), mtimeMs: z.number(), sha256: z.string()}),
  data: z.string(),
  /** SHA-256 of the result file. */
  results: z.string(),
})
type Key = z.infer<typeof keySchema>

/**
 * The result rows of a run's best checkpoint on a split, from `eval/<split>.json` in the run's folder. The model is run
 * when that file is missing, is not what was written, or is of another checkpoint or other data: `<split>.key.json`
 * beside it says what it is of.
 */
export async function* evaluation(
  vilbert: Vilbert,
  {runFolder, data, prepared, split, batchSize, signal}: EvaluationOptions,
): AsyncGenerator<EvaluationProgress, Evaluation, void> {
  const checkpoint = checkpointOf(runFolder)
  const folder = join(runFolder, 'eval')
  const file = join(folder, `${split}.json`)
  const keyFile = join(folder, `${split}.key.json`)
  const known = keySchema.safeParse(await readOwnJson(keyFile))
  const current = await identify(checkpoint, relative(runFolder, checkpoint), known.data?.checkpoint, signal)
  const cached = await readFile(file, 'utf8').catch(() => undefined)
  if (cached !== undefined && known.success && isOf(known.data, current, prepared.fingerprint, cached)) {
    return {rows: parseResultRows(cached, file), file, checkpoint: withoutTime(current)}
  }
  await makeFolder(folder)
  yield* vilbertEvaluation(vilbert, {checkpoint, file, data, split, batchSize, signal})
  const text = await readFile(file, 'utf8')
  const key: Key = {
    schema: 'vilbert-ts/eval-key@1',
    checkpoint: current,
    data: prepared.fingerprint,
    results: sha256(text),
  }
  await writeFileAtomic(keyFile, `${JSON.stringify(key, null, 2)}\n`)
  return {rows: parseResultRows(text, file), file, checkpoint: withoutTime(current)}
}

/** Answers are kept beside the checkpoint that they are of. */
async function makeFolder(folder: string): Promise<void> {
  await mkdir(folder, {recursive: true}).catch((cause: unknown) => {
    const reason = cause instanceof Error && 'code' in cause ? ` (${String(cause.code)})` : ''
    throw new DataError(`The folder ${printable(folder, 300)} cannot be made${reason}.`, {
      code: 'E_OUTPUT',
      next: 'Copy the run to where you may write: its answers are kept there.',
      cause,
    })
  })
}

async function* vilbertEvaluation(
  vilbert: Vilbert,
  {checkpoint, file, data, split, batchSize, signal}: VilbertEvaluation,
): AsyncGenerator<EvaluationProgress, void, void> {
  const {cacheDir} = data
  const run = vilbert.evaluate({
    model: {fromPretrained: checkpoint, cacheDir: cacheDir ?? undefined},
    data,
    split,
    batchSize,
    results: file,
    logits: true,
    signal,
  })
  for await (const {type, done, total} of run)
    if (type === 'progress') yield {type: 'evaluation', split, done, total}
}

type VilbertEvaluation = Omit<EvaluationOptions, 'runFolder' | 'prepared'> & {
  readonly checkpoint: string
  readonly file: string
}

/** Reading gigabytes only to find them unchanged is spared where size and time of change are the same. */
async function identify(
  path: string,
  file: string,
  known: Key['checkpoint'] | undefined,
  signal: AbortSignal | undefined,
): Promise<Key['checkpoint']> {
  const {size: sizeBytes, mtimeMs} = await stat(path)
  const isSame = known?.file === file && known.sizeBytes === sizeBytes && known.mtimeMs === mtimeMs
  return {file, sizeBytes, mtimeMs, sha256: isSame ? known.sha256 : await sha256File(path, {signal})}
}

function isOf(key: Key, checkpoint: Key['checkpoint'], data: string, results: string): boolean {
  return key.checkpoint.sha256 === checkpoint.sha256 && key.data === data && key.results === sha256(results)
}

function withoutTime({file, sizeBytes, sha256: hash}: Key['checkpoint']): EvaluatedCheckpoint {
  return {file, sizeBytes, sha256: hash}
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
