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
export {checkConversion, type CheckOptions} from './checkpoint/check-conversion.js'
export {
  convertCheckpoint,
  convertDtypes,
  type ConvertDtype,
  type ConvertOptions,
  type ConvertResult,
} from './checkpoint/convert.js'
export {
  diffCheckpoints,
  type CheckpointDiff,
  type DiffOptions,
  type TensorDifference,
} from './checkpoint/diff.js'
export {
  inspectCheckpoint,
  type InspectedTensor,
  type InspectOptions,
  type Inspection,
} from './checkpoint/inspect.js'
export {
  metadataJsonSchema,
  metadataSchema,
  type CheckOutcome,
  type Conversion,
  type Metadata,
  type TensorRecord,
} from './checkpoint/metadata.js'
export {modelSpec, type ModelSpec} from './checkpoint/model-spec.js'
export {readCheckpointMetadata} from './checkpoint/read-metadata.js'
export type {TensorStatistics} from './checkpoint/statistics.js'
export {indexWeights, type IndexOptions, type TensorIndex} from './checkpoint/tensor-index.js'
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
export {packData, type PackedStore, type PackResult} from './data/pack.js'
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
export {verifyKinds, type VerifyKind} from './verify/kinds.js'
export {verifyPaths, type Verification, type VerifyOptions} from './verify/verify.js'
export {serve, type RunningServer, type ServeOptions} from './serve/serve.js'
export {createApp, type AppOptions, type Served} from './serve/app.js'
