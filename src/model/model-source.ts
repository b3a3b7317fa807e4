import {indexWeights, type TensorIndex} from '../checkpoint/tensor-index.js'
import {checkpointConfig} from '../checkpoint/sidecar.js'
import {loadModelConfig, parseModelConfig} from '../config/load.js'
import type {ModelConfig} from '../config/model.js'
import {ConfigError, printable} from '../errors.js'

/** Which model: a configuration, weights, or weights with their configuration beside them. */
export type ModelSource = {
  /** A model's configuration, or the path of a file with one; without it the checkpoint's JSON tells. */
  readonly config?: ModelConfig | string | undefined
  /** File of weights. */
  readonly fromPretrained?: string | undefined
  /** Where decoded forms of old files go. */
  readonly cacheDir?: string | undefined
}

/** What Python needs to know of a model. */
export type ResolvedModel = {
  readonly config: ModelConfig
  readonly weights: TensorIndex | null
}

/**
 * Finds a model's configuration and indexes its weights.
 * @throws ConfigError, CheckpointError, FormatError
 */
export async function resolveModel(source: ModelSource): Promise<ResolvedModel> {
  const config = await findConfig(source)
  const weights =
    source.fromPretrained === undefined
      ? null
      : await indexWeights(source.fromPretrained, {cacheDir: source.cacheDir})
  return {config, weights}
}

async function findConfig({config, fromPretrained}: ModelSource): Promise<ModelConfig> {
  if (typeof config === 'string') return await loadModelConfig(config)
  if (config !== undefined) return config
  const own = fromPretrained === undefined ? undefined : checkpointConfig(fromPretrained)
  if (fromPretrained !== undefined && own !== undefined)
    return parseModelConfig(own, `the JSON of ${fromPretrained}`)
  const what =
    fromPretrained === undefined
      ? 'Nothing says which model to use.'
      : `${printable(fromPretrained, 300)} has no JSON beside it that says which model it is.`
  throw new ConfigError(what, {
    code: 'E_NO_MODEL',
    next: 'Give the model with --config FILE.json, or a preset with --set model=bert_base_6layer_6conect.',
  })
}
