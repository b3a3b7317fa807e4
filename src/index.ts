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
