import type {DataConfig} from '../config/data.js'
import type {ModelConfig} from '../config/model.js'
import {ConfigError} from '../errors.js'
import type {ModelSource} from './model-source.js'

/** The model of a loaded configuration with its weights; a checkpoint's own JSON fills in for a missing config. */
export function modelSource(
  model: ModelConfig | undefined,
  fromPretrained: string | null | undefined,
  data: DataConfig,
): ModelSource {
  return {config: model, fromPretrained: fromPretrained ?? undefined, cacheDir: data.cacheDir ?? undefined}
}

/** Work on data needs to know where they are. */
export function requiredDataRoot({dataRoot}: DataConfig): string {
  if (dataRoot !== null) return dataRoot
  throw new ConfigError('Nothing says where the data are.', {
    code: 'E_NO_DATA_ROOT',
    next: 'Pass --data-root DIR, or make a small data set with `vilbert-ts data synth --output DIR`.',
  })
}
