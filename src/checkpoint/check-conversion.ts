import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {z} from 'zod'

import {Bridge} from '../bridge/bridge.js'
import {findPython} from '../bridge/python-environment.js'
import {parseModelConfig} from '../config/load.js'
import type {ModelConfig} from '../config/model.js'
import {CheckpointError, ConfigError} from '../errors.js'
import {writeFileAtomic} from '../files.js'
import {openCheckpoint} from './checkpoint-file.js'
import {convertCheckpoint} from './convert.js'
import type {ConvertResult} from './convert.js'
import {metadataText} from './metadata.js'
import type {CheckOutcome} from './metadata.js'
import {isCurrentForm, readCheckpointMetadata} from './read-metadata.js'
import {checkpointConfig} from './sidecar.js'
import {indexWeights} from './tensor-index.js'

/** How {@link checkConversion} runs both files. */
export type CheckOptions = {
  /** The model. @default what the JSON of the input says */
  readonly config?: ModelConfig | undefined
  /** Python interpreter. @default the one that `vilbert-ts setup` made */
  readonly python?: string | undefined
  readonly signal?: AbortSignal | undefined
}

const replySchema = z.object({probe: z.string(), outputs: z.record(z.string(), z.number())})

/**
 * Runs a file and what it was converted to on a fixed batch, and writes the largest difference of any output into the
 * metadata of the conversion.
 * @throws ConfigError E_NO_MODEL, CheckpointError, EnvironmentError, BridgeError
 */
export async function checkConversion(
  {input, payload, metadata}: Pick<ConvertResult, 'input' | 'payload' | 'metadata'>,
  {config, python, signal}: CheckOptions = {},
): Promise<CheckOutcome> {
  const model = config ?? ownConfig(input)
  const folder = await mkdtemp(join(tmpdir(), 'vilbert-ts-check-'))
  try {
    await using bridge = new Bridge({python: await findPython({python})})
    const before = await indexWeights(await paddleForm(input, folder, model), {cacheDir: folder, signal})
    const after = await indexWeights(payload, {cacheDir: folder, signal})
    const reply = await bridge.call(
      'vilbert.probe:compare',
      {config: model, before, after},
      {reply: replySchema, signal},
    )
    const outcome = {...reply, largestDifference: Math.max(0, ...Object.values(reply.outputs))}
    await addToMetadata(metadata, outcome)
    return outcome
  } finally {
    await rm(folder, {recursive: true, force: true})
  }
}

function ownConfig(input: string): ModelConfig {
  const own = checkpointConfig(input)
  if (own !== undefined) return parseModelConfig(own, `the JSON of ${input}`)
  throw new ConfigError('Nothing says which model to run the two files with.', {
    code: 'E_NO_MODEL',
    next: 'Give the model with --config FILE.',
  })
}

// Python maps numbers where they lie, and those of PyTorch's files lie the other way round.
async function paddleForm(input: string, folder: string, config: ModelConfig): Promise<string> {
  using checkpoint = openCheckpoint(input)
  if (checkpoint.container !== 'torch-zip' && checkpoint.container !== 'torch-legacy') return input
  const output = join(folder, 'before.safetensors')
  await convertCheckpoint({input, output, config})
  return output
}

async function addToMetadata(path: string, check: CheckOutcome): Promise<void> {
  const metadata = readOwn(path)
  const last = metadata.history.at(-1)
  if (last === undefined) return
  const history = [...metadata.history.slice(0, -1), {...last, check}]
  await writeFileAtomic(path, metadataText({...metadata, history}))
}

function readOwn(path: string) {
  const metadata = readCheckpointMetadata(path)
  if (isCurrentForm(metadata)) return metadata
  throw new CheckpointError(`${path} was replaced while the check ran.`, {code: 'E_META_STALE'})
}
