import {join} from 'node:path'
import {z} from 'zod'
import type {Bridge} from '../bridge/bridge.js'
import {throwIfInterrupted} from '../breathe.js'
import type {Engine, Precision} from '../config/precision.js'
import {prepareSource, type DataSource} from '../data/data-source.js'
import {ConfigError, DataError, VilbertError} from '../errors.js'
import {predictBatchReplySchema, predictReplySchema} from '../model/events.js'
import {chooseEngine, enginesFolder, type ChosenEngine, type OnExportProgress} from '../model/engine.js'
import {resolveModel, type ModelSource, type ResolvedModel} from '../model/model-source.js'
import {vocabularyPath} from '../model/vocabulary.js'
import {DatasetImages} from './dataset-images.js'
import {inGroups} from './groups.js'
import {ownPictures} from './own-pictures.js'
import {parseQuery, type BatchAnswer, type PredictQuery, type Prediction} from './query.js'
import type {FoundRegions, RegionSource} from './region-source.js'

/** The model of {@link Vilbert.load}, and the images that it is asked about. */
export type LoadOptions = {
  readonly model: ModelSource
  /** The data set whose images are asked about; not needed with `regions`. */
  readonly data?: DataSource | undefined
  /**
   * Boxes and features of pictures that are in no data set: a file for one picture, or a folder or TSV for many. With it
   * every image is the file of a picture.
   */
  readonly regions?: string | undefined
  /** Folder of the data set's pictures. @default `images/mscoco/images/train2014` in the data root */
  readonly images?: string | undefined
  /** @default 'fp32' */
  readonly precision?: Precision | undefined
  /** Code that computes. @default 'auto', the fastest one that is there */
  readonly engine?: Engine | undefined
  /** How many questions there will be, for `auto` to choose by. @default many */
  readonly questions?: number | undefined
  /** Told how far the export of the model's graph is, where `engine` asks for one that is not there yet. */
  readonly onExportProgress?: OnExportProgress | undefined
  readonly signal?: AbortSignal | undefined
}

/** How much {@link LoadedModel.predict} tells. */
export type AskOptions = {
  /** Regions to tell, best first. @default 5 */
  readonly topK?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** An image and the phrases of {@link LoadedModel.predictPhrases}. */
export type PhrasesOptions<Image extends number | string> = AskOptions & {
  readonly image: Image
  readonly phrases: readonly string[]
}

/** How much {@link LoadedModel.predictBatch} tells, and how many queries it takes at once. */
export type BatchOptions = AskOptions & {
  /** Queries that are computed together, and the most that are pulled before the first answer. @default 32 */
  readonly batchSize?: number | undefined
}

/**
 * A model with the images it can be asked about, see `Vilbert.load`.
 *
 * ```ts
 * const model = await vilbert.load({model: {fromPretrained: 'best.pdparams'}, data: {dataRoot: 'data'}})
 * const {regions} = await model.predict({image: 1042, phrase: 'man in red', topK: 3})
 * for await (const answer of model.predictBatch(queries)) console.log(answer.id, answer.error ?? answer.regions)
 * ```
 */
export class LoadedModel {
  readonly #bridge: Bridge
  readonly #request: ModelRequest
  readonly #source: RegionSource

  private constructor(bridge: Bridge, request: ModelRequest, source: RegionSource) {
    this.#bridge = bridge
    this.#request = request
    this.#source = source
  }

  /**
   * Finds the model, its data and the code that computes.
   * @throws ConfigError, CheckpointError, DataError, FormatError, EnvironmentError, BridgeError
   */
  static async open(bridge: Bridge, options: LoadOptions): Promise<LoadedModel> {
    const {model, engine = 'auto', precision = 'fp32', questions = null, onExportProgress, signal} = options
    const source = await regionSource(bridge, options)
    const resolved = await resolveModel(model)
    const folder = enginesFolder(model)
    const wanted = {engine, precision, questions, enginesFolder: folder, onExportProgress, signal}
    const chosen = await chooseEngine(bridge, resolved, wanted)
    return new LoadedModel(bridge, {...resolved, ...chosen, vocabulary: vocabularyPath()}, source)
  }

  /**
   * Ranks the regions of an image for a phrase. The answer does not depend on what else is asked.
   * @throws DataError for an image without regions; BridgeError
   */
  async predict({image, phrase, ...options}: Omit<PredictQuery, 'id'> & AskOptions): Promise<Prediction> {
    const [prediction] = await this.predictPhrases({image, phrases: [phrase], ...options})
    if (prediction === undefined) throw new Error('A phrase has got no answer.')
    return prediction
  }

  /** The same for several phrases about one image. */
  async predictPhrases<Image extends number | string>({
    image,
    phrases,
    topK = 5,
    signal,
  }: PhrasesOptions<Image>): Promise<Prediction<Image>[]> {
    for (const phrase of phrases) parseQuery({image, phrase})
    await using regions = await this.#source.find([image], signal)
    const [imageId] = regions.places
    if (typeof imageId !== 'number') throw imageId ?? new Error('An image has got no place.')
    const {detectedFile, detectedSource} = regions
    const request = {...this.#request, detectedFile, detectedSource, imageId, phrases, topK}
    const {answers, ...shared} = await this.#bridge.call('vilbert.predict:predict', request, {
      reply: predictReplySchema,
      signal,
    })
    return answers.map((answer) => ({...shared, ...answer, image, imageId: this.#datasetId(imageId)}))
  }

  /**
   * Answers queries in their order, one answer a query, while they are pulled: at most `batchSize` and one are taken
   * before the first of their answers is, and none that is not asked for. What is wrong with a query is its answer; an
   * error among the queries is passed on in its place, so that who reads them can say which could not be read. Queries
   * are computed together, which may change the last digits of a score.
   * @throws BridgeError, CheckpointError: what ends all of it
   */
  async *predictBatch(
    queries: AsyncIterable<PredictQuery | VilbertError> | Iterable<PredictQuery | VilbertError>,
    {topK = 5, batchSize = 32, signal}: BatchOptions = {},
  ): AsyncGenerator<BatchAnswer, void, void> {
    let index = 0
    for await (const group of inGroups(queries, batchSize)) {
      throwIfInterrupted(signal)
      for (const answer of await this.#answer(group, topK, signal)) {
        yield {index, ...answer}
        index += 1
      }
    }
  }

  /** The file of an image's picture, to draw on. @throws DataError E_NO_PICTURE, E_REGIONS_MISSING */
  async pictureOf(image: number | string): Promise<string> {
    return await this.#source.pictureOf(image)
  }

  async #answer(
    group: readonly (PredictQuery | VilbertError)[],
    topK: number,
    signal: AbortSignal | undefined,
  ): Promise<Unnumbered[]> {
    const checked = group.map(check)
    const asked = checked.filter(isQuery)
    if (asked.length === 0) return checked.map((error, slot) => failed(group[slot], error))
    await using regions = await this.#source.find(
      asked.map(({image}) => image),
      signal,
    )
    const places = new Map(asked.map((query, row) => [query, regions.places[row]]))
    const placed = asked.flatMap((query) => {
      const imageId = places.get(query)
      return typeof imageId === 'number' ? [{query, imageId}] : []
    })
    const answers = await this.#compute(regions, placed, topK, signal)
    return checked.map((query, slot) => {
      if (query instanceof VilbertError) return failed(group[slot], query)
      return answers.get(query) ?? failed(query, places.get(query))
    })
  }

  async #compute(
    {detectedFile, detectedSource}: FoundRegions,
    placed: readonly PlacedQuery[],
    topK: number,
    signal: AbortSignal | undefined,
  ): Promise<ReadonlyMap<PredictQuery, Unnumbered>> {
    if (placed.length === 0) return new Map()
    const queries = placed.map(({query, imageId}) => ({imageId, phrase: query.phrase}))
    const request = {...this.#request, detectedFile, detectedSource, queries, topK}
    const {answers, ...shared} = await this.#bridge.call('vilbert.predict:predict_batch', request, {
      reply: predictBatchReplySchema,
      signal,
    })
    if (answers.length !== placed.length) throw new Error('There are other answers than queries.')
    return new Map(
      placed.flatMap(({query, imageId}, row) => {
        const answer = answers[row]
        if (answer === undefined) return []
        return [[query, {...query, imageId: this.#datasetId(imageId), ...answer, ...shared}]]
      }),
    )
  }

  #datasetId(imageId: number): number | null {
    return this.#source.isDataset ? imageId : null
  }
}

type ModelRequest = ResolvedModel & ChosenEngine & {readonly vocabulary: string}
type PlacedQuery = {readonly query: PredictQuery; readonly imageId: number}
type Unnumbered = WithoutIndex<BatchAnswer>
type WithoutIndex<Answer> = Answer extends unknown ? Omit<Answer, 'index'> : never

async function regionSource(bridge: Bridge, options: LoadOptions): Promise<RegionSource> {
  const {data, regions, images, signal} = options
  if (regions !== undefined) return ownPictures(bridge, regions)
  if (data === undefined)
    throw new ConfigError('Nothing says where the regions of images are.', {
      code: 'E_NO_DATA_ROOT',
      next: 'Pass --data-root DIR for the images of a data set, or --regions FILE for a picture of your own.',
    })
  const prepared = await prepareSource(data, {annotated: false, signal})
  return new DatasetImages(prepared, images ?? join(data.dataRoot, 'images/mscoco/images/train2014'))
}

function isQuery(query: PredictQuery | VilbertError): query is PredictQuery {
  return !(query instanceof VilbertError)
}

function check(query: PredictQuery | VilbertError): PredictQuery | VilbertError {
  if (query instanceof VilbertError) return query
  try {
    return parseQuery(query)
  } catch (error) {
    if (error instanceof VilbertError) return error
    throw error
  }
}

/** A query that cannot be answered keeps what of it can be read, so that it is known which one it was. */
function failed(query: unknown, reason: unknown): Unnumbered {
  const error =
    reason instanceof VilbertError ? reason : new DataError('The query has got no answer.', {cause: reason})
  if (typeof query !== 'object' || query === null || query instanceof VilbertError) return {error}
  const {id, image, phrase} = query as Readonly<Record<string, unknown>>
  const echo = z.json().optional().safeParse(id)
  return {
    ...(echo.success && echo.data !== undefined && {id: echo.data}),
    ...((typeof image === 'string' || typeof image === 'number') && {image}),
    ...(typeof phrase === 'string' && {phrase}),
    error,
  }
}
