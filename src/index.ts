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
export type {BenchEvent, BenchResult, Measurement} from './bench/result.js'
export type {DataSource} from './data/data-source.js'
export type {
  BenchOptions,
  DrawOptions,
  EvaluateOptions,
  Exclusion,
  FindRateOptions,
  PlanOptions,
  PredictOptions,
  TrainOptions,
  VilbertOptions,
} from './model/options.js'
export type {Run} from './model/run.js'
export type {Nodes} from './model/nodes.js'
export type {ModelSource} from './model/model-source.js'
export type {EvaluateEvent, EvaluateResult, RankedRegion, TrainEvent, TrainResult} from './model/events.js'
export {plannedSeconds} from './model/trials.js'
export type {
  LearningRates,
  RateEvent,
  RatePoint,
  RateRange,
  TrainingPlan,
  TrialEvent,
} from './model/trials.js'
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
export {Bridge, type BridgeOptions} from './bridge/bridge.js'
export {findPython} from './bridge/python-environment.js'
export {readIdList} from './data/id-list.js'
export {importData, type ImportOptions, type ImportResult} from './data/import/import.js'
export {dataStats, type CategoryStats, type Ceiling, type DataStats, type SplitStats} from './data/stats.js'
export {downloadSources, type DownloadOptions} from './data/download/download.js'
export type {SourceResult} from './data/download/fetch-source.js'
export {listSources, type ListedSource} from './data/download/list.js'
export {planSources, type PlannedSource} from './data/download/plan.js'
export {
  loadSources,
  selectSources,
  sourceKinds,
  type Source,
  type SourceKind,
} from './data/download/sources.js'
export {Transports} from './data/download/transports.js'
export {demo, type DemoEvent, type DemoOptions, type DemoResult} from './demo.js'
export {ablations, type Ablation} from './model/events.js'
export {LoadedModel} from './predict/loaded-model.js'
export type {AskOptions, BatchOptions, LoadOptions, PhrasesOptions} from './predict/loaded-model.js'
export type {BatchAnswer, Prediction, PredictQuery} from './predict/query.js'
export {buildMask, type BuildMaskOptions, type BuildMaskResult} from './refer/build.js'
export {maskEnvironment} from './refer/folders.js'
export {writeMaskPicture, type MaskPictureOptions, type MaskPictureResult} from './refer/mask-picture.js'
export {readRef, type ReadRefOptions, type RefDetails} from './refer/ref.js'
export {clusteredInterval, type Interval, type Observation} from './report/bootstrap.js'
export {compareRuns} from './report/compare-runs.js'
export type {ComparedRuns, CompareNumbers, CompareOptions} from './report/compare-runs.js'
export {mcnemar} from './report/mcnemar.js'
export {measureRun} from './report/measure-run.js'
export type {MeasuredRun, MeasureOptions, ReportNumbers} from './report/measure-run.js'
export {readResultRows, type ResultRow} from './report/result-rows.js'
export type {ReportData} from './report/run-folder.js'
export {writeComparePage, writeReportPage, type PageOptions} from './report/write-page.js'
export {resumedConfig, resumePoint, type ResumePoint} from './run/resume.js'
export {diagnose, type Check, type Diagnosis, type DoctorOptions} from './setup/doctor.js'
export {setUpEnvironment, type SetUpOptions, type SetUpResult} from './setup/set-up.js'
export {listRuns, runFolders, type RunList, type UnreadableRun} from './run/list.js'
export {planPrune, prune, type PrunePlan} from './run/prune.js'
export {showRun, type ShownRun} from './run/show.js'
export type {RunProgress} from './run/progresses.js'
export {summarizeRun, type RunSummary} from './run/summary.js'
export {verifyRun, type RunProblem, type RunVerification, type VerifyRunOptions} from './run/verify-run.js'
