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
