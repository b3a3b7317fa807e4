import type {DataConfig} from '../config/data.js'
import type {LoadedConfig} from '../config/load.js'
import type {ModelConfig} from '../config/model.js'
import type {TrainingConfig} from '../config/training.js'
import type {DataSource} from '../data/data-source.js'
import type {OnPrepareProgress} from '../data/progress.js'
import {ConfigError} from '../errors.js'
import {presetFile} from '../presets.js'
import type {ModelSource} from './model-source.js'

/** The model of a loaded configuration with its weights; a checkpoint's own JSON fills in for a missing config. */
export function modelSource(
  model: ModelConfig | undefined,
  fromPretrained: string | null | undefined,
  data: DataConfig,
): ModelSource {
  return {config: model, fromPretrained: fromPretrained ?? undefined, cacheDir: data.cacheDir ?? undefined}
}

/** What a training run starts from. */
export type TrainingSource = {
  readonly model: ModelSource
  readonly data: DataSource
  readonly training: TrainingConfig
}

/** That of a loaded configuration. @throws ConfigError if it names no data */
export function trainingSource(
  {model, data, training}: Pick<LoadedConfig, 'model' | 'data' | 'training'>,
  onPrepareProgress: OnPrepareProgress,
): TrainingSource {
  return {
    model: modelSource(model, training.fromPretrained, data),
    data: {...data, dataRoot: requiredDataRoot(data), onPrepareProgress},
    training,
  }
}

/** Work on data needs to know where they are. */
export function requiredDataRoot({dataRoot}: DataConfig): string {
  if (dataRoot !== null) return dataRoot
  throw new ConfigError('Nothing says where the data are.', {
    code: 'E_NO_DATA_ROOT',
    next: 'Pass --data-root DIR, or make a small data set with `vilbert-ts data synth --output DIR`.',
  })
}

/** What is measured when nothing says which model: the published size. */
export function benchedModel(
  model: ModelConfig | undefined,
  fromPretrained: string | undefined,
  data: DataConfig,
): ModelSource {
  const source = modelSource(model, fromPretrained, data)
  const isNamed = model !== undefined || fromPretrained !== undefined
  return isNamed ? source : {...source, config: presetFile('bert_base_6layer_6conect')}
}

/** The data where there are any. */
export function realData(data: DataConfig): (DataConfig & {readonly dataRoot: string}) | undefined {
  return data.dataRoot === null ? undefined : {...data, dataRoot: data.dataRoot}
}
