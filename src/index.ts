export {
  CheckpointError,
  ConfigError,
  DataError,
  EnvironmentError,
  FormatError,
  GateError,
  InterruptedError,
  NetworkError,
  VilbertError,
  type ErrorDetails,
} from './errors.js'
export {dataConfigSchema, type DataConfig} from './config/data.js'
export type {ConfigKind} from './config/draft.js'
export {jsonSchema, type SchemaName} from './config/json-schema.js'
export {
  loadConfig,
  loadConfigFile,
  loadModelConfig,
  validateConfigFile,
  type ConfigSources,
  type ConfigValidation,
  type LoadedConfig,
} from './config/load.js'
export {modelConfigSchema, parameterCount, type ModelConfig} from './config/model.js'
export {ConfigProblemsError, type Problem} from './config/problems.js'
export {trainingConfigSchema, type TrainingConfig} from './config/training.js'
export {presetFile, presetNames} from './presets.js'
export {Vilbert} from './vilbert.js'
export type {
  DataSource,
  DrawOptions,
  EvaluateOptions,
  PredictOptions,
  Prediction,
  TrainOptions,
  VilbertOptions,
} from './vilbert.js'
export type {Run} from './model/run.js'
export type {ModelSource} from './model/model-source.js'
export type {EvaluateEvent, EvaluateResult, RankedRegion, TrainEvent, TrainResult} from './model/events.js'
export {readRunFile, type RunFile} from './run/run-file.js'
export {synthDatasets, type SynthOptions, type SynthProgress, type SynthResult} from './data/synth.js'
export {prepareData, type PreparedData, type PrepareOptions} from './data/prepare.js'
export {
  BridgeCancelledError,
  BridgeClosedError,
  BridgeCrashError,
  BridgeError,
  BridgeMessageError,
  BridgeSpawnError,
  BridgeTimeoutError,
  PythonError,
} from './bridge/errors.js'
