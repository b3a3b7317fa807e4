import type {BenchSettings} from '../bench/bench.js'
import type {Engine, Precision} from '../config/precision.js'
import type {TrainingConfig} from '../config/training.js'
import type {DataSource} from '../data/data-source.js'
import type {RunDescription} from '../run/run-file.js'
import type {Ablation, RankedRegion} from './events.js'
import type {ModelSource} from './model-source.js'
import type {Nodes} from './nodes.js'
import type {RateRange} from './trials.js'

/** How {@link Vilbert.open} finds Python, and who is told what that prints. */
export type VilbertOptions = {
  /** Python interpreter. @default the one that `vilbert-ts setup` made */
  readonly python?: string | undefined
  /** Told what Python prints, as it comes. */
  readonly onStderr?: (text: string) => void
}

/** The run of {@link Vilbert.train}: a model, data and every setting. */
export type TrainOptions = {
  readonly model: ModelSource
  readonly data: DataSource
  /** Every setting of the run, such as `loadConfig` gives them. */
  readonly training: TrainingConfig
  /** Go on from this state of the run in the output folder, instead of starting anew. */
  readonly resume?: 'last' | 'best' | undefined
  /** Whether a run that is in the output folder already may be lost. @default false */
  readonly overwrite?: boolean | undefined
  /** The machines that train together, of which this is one; none: this one alone. */
  readonly nodes?: Nodes | undefined
  /** What run.json says of the origin: the command, and where each setting came from. */
  readonly provenance?: Partial<Pick<RunDescription, 'command' | 'origin'>> | undefined
  /** Told what is not as it was when a resumed run started. */
  readonly onChanges?: ((changes: readonly string[]) => void) | undefined
  /** Aborting ends the run after the step that is under way, with the last checkpoint saved. */
  readonly signal?: AbortSignal | undefined
}

/** The run that {@link Vilbert.planTraining} tries. */
export type PlanOptions = Pick<TrainOptions, 'model' | 'data' | 'training' | 'signal'> & {
  /** Steps to time, after one to warm up. @default 5 */
  readonly probeSteps?: number | undefined
}

/** The run and the rates that {@link Vilbert.findLearningRate} tries. */
export type FindRateOptions = Pick<TrainOptions, 'model' | 'data' | 'training' | 'signal'> & {
  /** Rates of the body to go through; those of the heads rise in the run's ratio. */
  readonly range?: RateRange | undefined
}

/** What {@link Vilbert.evaluate} measures, and how. */
export type EvaluateOptions = {
  readonly model: ModelSource
  readonly data: DataSource
  readonly split: string
  /** Expressions at once. @default 32 */
  readonly batchSize?: number | undefined
  /** @default 'fp32' */
  readonly precision?: Precision | undefined
  /** Code that computes. @default 'auto', the fastest one */
  readonly engine?: Engine | undefined
  /** File for one row per sentence, `[{id, target, IOU}]`. */
  readonly results?: string | undefined
  /** What to take away, to see what the model relies on. */
  readonly ablate?: Ablation | undefined
  /** Seed of what takes its place. @default 0 */
  readonly ablateSeed?: number | undefined
  /** Expressions to leave out: these sentence ids, or all sentences of these refs. */
  readonly exclude?: Exclusion | undefined
  /** Whether the rows also hold sent_id, ref_id and the logits of the regions. @default false */
  readonly logits?: boolean | undefined
  /** Processes on CPUs that share the split. @default 1 */
  readonly nproc?: number | undefined
  /** `cpu`, or GPUs that share the split, such as `gpu:0,1`. @default the first GPU if there is one */
  readonly devices?: string | undefined
  readonly signal?: AbortSignal | undefined
}

/** Ids of sentences or of refs. */
export type Exclusion = {readonly by: 'sent' | 'ref'; readonly ids: readonly number[]}

/** What {@link Vilbert.bench} measures. */
export type BenchOptions = BenchSettings & {
  readonly model: ModelSource
  /** Data on which bf16 is held against fp32; none: only made data. */
  readonly data?: DataSource | undefined
  /** @default 'val' */
  readonly split?: string | undefined
}

/** The image and the phrases of {@link Vilbert.predict}. */
export type PredictOptions = {
  readonly model: ModelSource
  readonly data: DataSource
  /** Image id of the data set. */
  readonly image: number
  readonly phrases: readonly string[]
  /** @default 5 */
  readonly topK?: number | undefined
  /** @default 'fp32' */
  readonly precision?: Precision | undefined
  /** Code that computes. @default 'auto', the fastest one */
  readonly engine?: Engine | undefined
  readonly signal?: AbortSignal | undefined
}

/** The picture, the boxes in pixels and the file of {@link Vilbert.draw}. */
export type DrawOptions = {
  /** Picture to draw on. */
  readonly image: string
  /** PNG or JPEG to write, by its ending. */
  readonly output: string
  readonly phrase: string
  /** Best first. */
  readonly boxes: readonly Pick<RankedRegion, 'box' | 'score'>[]
  /** The box that is meant, drawn dashed. */
  readonly target?: readonly number[]
}
