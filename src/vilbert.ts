import {resolve} from 'node:path'
import {z} from 'zod'
import {bench} from './bench/bench.js'
import type {BenchEvent, BenchResult} from './bench/result.js'
import {Bridge, type BridgeOptions} from './bridge/bridge.js'
import {launchedStream} from './bridge/launched-stream.js'
import {findPython} from './bridge/python-environment.js'
import type {TrainingConfig} from './config/training.js'
import {ConfigError} from './errors.js'
import {prepareSource} from './data/data-source.js'
import {requireSplit, type PreparedData} from './data/prepare.js'
import {synthesize, type SynthOptions, type SynthProgress, type SynthResult} from './data/synth.js'
import {
  evaluateEventSchema,
  evaluateResultSchema,
  trainEventSchema,
  trainResultSchema,
  type EvaluateEvent,
  type EvaluateResult,
  type TrainEvent,
  type TrainResult,
} from './model/events.js'
import {explainCrash} from './model/cut-stores.js'
import {enginesFolder} from './model/engine.js'
import {resolveModel} from './model/model-source.js'
import type {
  BenchOptions,
  DrawOptions,
  EvaluateOptions,
  FindRateOptions,
  PlanOptions,
  PredictOptions,
  TrainOptions,
  VilbertOptions,
} from './model/options.js'
import {checkedNodes, checkOwnAddress} from './model/nodes.js'
import {placesOf, type Places} from './model/places.js'
import {resultsFile} from './model/results-file.js'
import {Run} from './model/run.js'
import {vocabularyPath} from './model/vocabulary.js'
import {
  learningRatesSchema,
  rateEventSchema,
  trainingPlanSchema,
  trialEventSchema,
  type LearningRates,
  type RateEvent,
  type TrainingPlan,
  type TrialEvent,
} from './model/trials.js'
import {LoadedModel, type LoadOptions} from './predict/loaded-model.js'
import type {Prediction} from './predict/query.js'
import {writtenDown} from './run/written-down.js'

/** A step can take long on a big model; it is not cut in half before this, so that its checkpoint is whole. */
const GRACE_MS = 120_000

/**
 * ViLBERT for referring expressions, with Python behind it.
 *
 * ```ts
 * await using vilbert = await Vilbert.open()
 * const run = vilbert.evaluate({model: {fromPretrained: 'best.pdparams'}, data: {dataRoot: 'data'}, split: 'val'})
 * for await (const {done, total} of run) console.error(done, total)
 * console.log((await run.result()).accuracy)
 * ```
 */
export class Vilbert implements AsyncDisposable {
  readonly #bridge: Bridge
  readonly #options: BridgeOptions

  private constructor(options: BridgeOptions) {
    this.#options = options
    this.#bridge = new Bridge(options)
  }

  /**
   * Finds Python; it starts with the first work.
   * @throws EnvironmentError if there is none
   */
  static async open({python, onStderr}: VilbertOptions = {}): Promise<Vilbert> {
    const options = {python: await findPython({python}), graceMs: GRACE_MS}
    return new Vilbert(onStderr === undefined ? options : {...options, onStderr})
  }

  /**
   * Trains; the result names the checkpoints. The run fails with ConfigError, DataError, FormatError or CheckpointError
   * for what it is given, with BridgeError for Python.
   */
  train(options: TrainOptions): Run<TrainEvent, TrainResult> {
    return new Run(this.#train(options))
  }

  /**
   * Says what {@link Vilbert.train} would take, from a few steps of the run: writes nothing but the feature store of
   * data that were never used before. Times are in seconds, memory and disk in bytes; fails as {@link Vilbert.train}.
   */
  planTraining(options: PlanOptions): Run<TrialEvent, TrainingPlan> {
    return new Run(this.#planTraining(options))
  }

  /**
   * Trains for a moment while the learning rate rises, and suggests one; writes nothing of the run. Fails as
   * {@link Vilbert.train}.
   */
  findLearningRate(options: FindRateOptions): Run<RateEvent, LearningRates> {
    return new Run(this.#findLearningRate(options))
  }

  /**
   * Measures accuracy on a split: the share, 0 to 1, of sentences whose chosen region overlaps the box that is meant
   * with an IoU above 0.5. Fails as {@link Vilbert.train}.
   */
  evaluate(options: EvaluateOptions): Run<EvaluateEvent, EvaluateResult> {
    return new Run(this.#evaluate(options))
  }

  /**
   * Finds a model and the images it can be asked about: what to ask many questions with.
   * @throws ConfigError, CheckpointError, DataError, FormatError
   */
  async load(options: LoadOptions): Promise<LoadedModel> {
    return await LoadedModel.open(this.#bridge, options)
  }

  /**
   * Ranks the regions of one image for each phrase; see {@link Vilbert.load} for more than one image.
   * @returns for each phrase the `topK` best regions, their boxes as x1, y1, x2, y2 in pixels
   * @throws as {@link Vilbert.load}; DataError for an image without regions; BridgeError
   */
  async predict({image, phrases, topK, ...options}: PredictOptions): Promise<Prediction<number>[]> {
    const model = await this.load({...options, questions: phrases.length})
    return await model.predictPhrases({image, phrases, topK, signal: options.signal})
  }

  /**
   * Writes a small synthetic data root, see `vilbert-ts data synth`. Fails with ConfigError where a value is
   * out of range or the folder is in use.
   */
  synthesize(options: SynthOptions): Run<SynthProgress, SynthResult> {
    return new Run(synthesize(this.#bridge, options))
  }

  /**
   * Measures this machine, see `vilbert-ts bench`: every measurement says its unit. Fails as {@link Vilbert.train}.
   */
  bench(options: BenchOptions): Run<BenchEvent, BenchResult> {
    return new Run(this.#bench(options))
  }

  /** Draws boxes on a picture. @throws DataError if the picture cannot be read */
  async draw({image, output, ...drawing}: DrawOptions): Promise<void> {
    const request = {...drawing, image: resolve(image), output: resolve(output)}
    await this.#bridge.call('vilbert.draw:draw', request, {reply: z.unknown()})
  }

  /** Ends Python in order. */
  async close(): Promise<void> {
    await this.#bridge.close()
  }

  /** {@link Vilbert.close}, where the variable of an `await using` goes out of scope. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async *#train(options: TrainOptions): AsyncGenerator<TrainEvent, TrainResult, void> {
    const {model, training, resume, overwrite = false, nodes, signal} = options
    if (nodes !== undefined) await checkOwnAddress(checkedNodes(nodes))
    const outputDir = requiredOutputDir(training)
    // A run that goes on has its weights in its own folder; those that it started from may be gone.
    const source = resume === undefined ? model : {...model, fromPretrained: undefined}
    const request = {
      ...(await trainingRequest({...options, model: source}, outputDir)),
      resume: resume ?? null,
      overwrite,
    }
    const places = {...training, nodes}
    const events = this.#work('vilbert.train:train', request, places, {
      event: trainEventSchema,
      result: trainResultSchema,
      signal,
    })
    if (nodes !== undefined && nodes.rank > 0) return yield* events
    return yield* writtenDown(events, {
      ...options,
      outputDir,
      config: request.config,
      prepared: request.data,
    })
  }

  async *#planTraining(options: PlanOptions): AsyncGenerator<TrialEvent, TrainingPlan, void> {
    const {training, probeSteps = 5, signal} = options
    const request = {...(await trainingRequest(options, resolve(training.outputDir ?? '.'))), probeSteps}
    return yield* this.#work('vilbert.plan_training:plan_training', request, training, {
      event: trialEventSchema,
      result: trainingPlanSchema,
      signal,
    })
  }

  async *#findLearningRate(options: FindRateOptions): AsyncGenerator<RateEvent, LearningRates, void> {
    const {training, range = {}, signal} = options
    const {first = 1e-7, last = 1, steps = 100} = range
    const request = {
      ...(await trainingRequest(options, resolve(training.outputDir ?? '.'))),
      range: {first, last, steps},
    }
    return yield* this.#work('vilbert.learning_rates:find_learning_rate', request, training, {
      event: rateEventSchema,
      result: learningRatesSchema,
      signal,
    })
  }

  async *#bench(options: BenchOptions): AsyncGenerator<BenchEvent, BenchResult, void> {
    const {model, data, split = 'val', ...settings} = options
    const resolved = await resolveModel(model)
    const {signal} = settings
    const prepared = data === undefined ? null : await prepareSource(data, {annotated: false, signal})
    if (prepared !== null) requireSplit(prepared, split)
    const work = {...settings, ...resolved, vocabulary: vocabularyPath(), data: prepared, split}
    return yield* bench(this.#bridge, work)
  }

  async *#evaluate(options: EvaluateOptions): AsyncGenerator<EvaluateEvent, EvaluateResult, void> {
    const {model, data, split, batchSize = 32, results, logits = false, signal} = options
    const {engine = 'auto', precision = 'fp32', ablate = null, ablateSeed = 0, exclude = null} = options
    const places = {nproc: options.nproc ?? 1, devices: options.devices ?? null}
    if (engine === 'exported' && placesOf(places).count > 1) throw exportedAlone()
    const rowsFile = results === undefined ? null : resultsFile(results)
    const resolved = await resolveModel(model)
    const prepared = await prepareSource(data, {annotated: split === 'train', signal})
    requireSplit(prepared, split)
    const request = {
      ...resolved,
      data: prepared,
      vocabulary: vocabularyPath(),
      split,
      batchSize,
      engine,
      enginesFolder: enginesFolder(model),
      precision,
      resultsFile: rowsFile,
      includeLogits: logits,
      ablate,
      ablateSeed,
      exclude,
    }
    return yield* this.#work('vilbert.evaluate:evaluate', request, places, {
      event: evaluateEventSchema,
      result: evaluateResultSchema,
      signal,
    })
  }

  /** Work on prepared data; what became of them meanwhile explains a crash. */
  async *#work<E, R>(
    fn: string,
    request: Readonly<Record<string, unknown>> & {readonly data: PreparedData},
    places: Places,
    options: WorkOptions<E, R>,
  ): AsyncGenerator<E, R, void> {
    try {
      return yield* this.#stream(fn, request, places, options)
    } catch (error) {
      throw explainCrash(error, [request.data.detectedFile, request.data.annotatedFile])
    }
  }

  /** Work for one process is done behind the bridge, that for several under Paddle's launcher. */
  async *#stream<E, R>(
    fn: string,
    request: Readonly<Record<string, unknown>>,
    places: Places,
    options: WorkOptions<E, R>,
  ): AsyncGenerator<E, R, void> {
    const {count, gpus} = placesOf(places)
    const {nodes} = places
    if (count === 1 && nodes === undefined)
      return yield* this.#bridge.stream(fn, {...request, device: places.devices}, options)
    if (gpus !== undefined)
      await this.#bridge.call(
        'vilbert.session:check_devices',
        {gpus},
        {reply: z.null(), signal: options.signal},
      )
    const {python, onStderr} = this.#options
    const work = {...options, fn, request, count, gpus, nodes}
    return yield* launchedStream({...work, python, onStderr, graceMs: GRACE_MS})
  }
}

type WorkOptions<E, R> = {
  readonly event: z.ZodType<E>
  readonly result: z.ZodType<R>
  readonly signal: AbortSignal | undefined
}

/** What Python needs to set up a run: model and data, read and checked, and every setting. */
async function trainingRequest({model, data, training, signal}: PlanOptions, outputDir: string) {
  const resolved = await resolveModel(model)
  const prepared = await prepareSource(data, {annotated: true, signal})
  requireSplit(prepared, 'train')
  return {...resolved, data: prepared, vocabulary: vocabularyPath(), training: {...training, outputDir}}
}

function exportedAlone(): ConfigError {
  return new ConfigError('The exported engine computes in one process.', {
    next: 'Leave --engine out, or --nproc and --devices.',
  })
}

function requiredOutputDir({outputDir}: TrainingConfig): string {
  if (outputDir !== null) return resolve(outputDir)
  throw new ConfigError('Nothing says where to save the run.', {next: 'Pass --output-dir DIR.'})
}
