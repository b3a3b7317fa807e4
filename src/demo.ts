import {mkdir, readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {z} from 'zod'
import {loadConfig} from './config/load.js'
import type {Precision} from './config/precision.js'
import {prepareData} from './data/prepare.js'
import {GateError} from './errors.js'
import type {TrainEvent} from './model/events.js'
import {presetFile} from './presets.js'
import type {Prediction} from './predict/query.js'
import type {TrainOptions} from './model/options.js'
import type {Vilbert} from './vilbert.js'

/** Where {@link demo} works, and how much it does. */
export type DemoOptions = {
  /** Folder of the synthetic data root; an earlier demo's is made anew. */
  readonly dataRoot: string
  /** Folder for checkpoints and pictures. */
  readonly outputDir: string
  readonly images: number
  readonly epochs: number
  readonly seed: number
  readonly signal?: AbortSignal | undefined
}

export type DemoTrainingOptions = Omit<DemoOptions, 'images'> & {
  /** @default 'corrected' */
  readonly recipe?: 'seed' | 'corrected'
  /** @default 'auto': what is fastest on this machine */
  readonly precision?: Precision
}

/** How far the demo is: a stage begins, pictures are made, or its training goes on. */
export type DemoEvent =
  | {readonly type: 'stage'; readonly stage: string}
  | {readonly type: 'pictures'; readonly done: number; readonly total: number}
  | TrainEvent

/** What the demo found: accuracy with and without the right phrases, and answers with their pictures. */
export type DemoResult = {
  readonly dataRoot: string
  readonly outputDir: string
  /** Share of the validation sentences whose chosen region has IoU > 0.5. */
  readonly accuracy: number
  /** The same with phrases exchanged between images: what guessing gives. */
  readonly shuffledAccuracy: number
  readonly predictions: readonly (Prediction<number> & {readonly picture: string})[]
  readonly secondsTotal: number
}

/** What the demo promises: it reads (`accuracy`), and it does not just guess (`shuffledAccuracy`). */
const MIN_ACCURACY = 0.95
const MAX_SHUFFLED_ACCURACY = 0.4
const PICTURES = 4

/**
 * The whole way on generated data: make a world, train a small model from nothing, measure it with its own phrases
 * and with those of other images, and draw what it sees.
 * @throws GateError if the model did not learn to read
 */
export async function* demo(
  vilbert: Vilbert,
  options: DemoOptions,
): AsyncGenerator<DemoEvent, DemoResult, void> {
  const {dataRoot, outputDir, images, seed, signal} = options
  const startedMs = performance.now()
  yield {type: 'stage', stage: `Making ${images} pictures of shapes, with phrases, in ${dataRoot}`}
  const world = vilbert.synthesize({output: dataRoot, images, seed, force: true, ...(signal && {signal})})
  for await (const {done, total} of world) yield {type: 'pictures', done, total}

  yield {type: 'stage', stage: 'Training a small model from nothing'}
  const run = vilbert.train(await demoTraining(options))
  for await (const event of run) yield event
  const {files} = await run.result()
  const model = {fromPretrained: files.best ?? files.last}

  yield {type: 'stage', stage: 'Measuring it on the validation split'}
  const evaluation = {model, data: {dataRoot}, split: 'val', signal}
  const {accuracy} = await vilbert.evaluate(evaluation).result()
  const {accuracy: shuffledAccuracy} = await vilbert.evaluate({...evaluation, ablate: 'text'}).result()

  yield {type: 'stage', stage: 'Drawing what it sees'}
  const predictions = await drawSome(vilbert, {...options, model})
  const secondsTotal = (performance.now() - startedMs) / 1000
  check(accuracy, shuffledAccuracy)
  return {dataRoot, outputDir, accuracy, shuffledAccuracy, predictions, secondsTotal}
}

/** A small model, and settings for training it in a minute. */
export async function demoTraining({
  dataRoot,
  outputDir,
  epochs,
  seed,
  recipe = 'corrected',
  precision = 'auto',
  signal,
}: DemoTrainingOptions): Promise<TrainOptions> {
  const {model, training} = await loadConfig({
    file: presetFile('tiny'),
    flags: {
      'output-dir': outputDir,
      'batch-size': 64,
      lr: 1e-3,
      recipe,
      precision,
      dropout: 0,
      'decay-epochs': [Math.max(1, epochs - 2), Math.max(2, epochs - 1)],
      epochs,
      seed,
    },
  })
  return {model: {config: model}, data: {dataRoot}, training, overwrite: true, signal}
}

const expressionsSchema = z.object({
  images: z.array(z.object({id: z.number(), fileName: z.string()})),
  refs: z.array(
    z.object({
      imageId: z.number(),
      split: z.string(),
      box: z.array(z.number()),
      sentences: z.array(z.object({text: z.string()})),
    }),
  ),
})

/** Predicts the first phrase of a few validation images and draws the best boxes with the one that was meant. */
async function drawSome(
  vilbert: Vilbert,
  {dataRoot, outputDir, model, signal}: DemoOptions & {readonly model: {readonly fromPretrained: string}},
): Promise<DemoResult['predictions']> {
  const {expressionsFile} = await prepareData({dataRoot, dataset: 'refcoco+', annotated: false, signal})
  const {images, refs} = expressionsSchema.parse(JSON.parse(await readFile(expressionsFile, 'utf8')))
  const fileNames = new Map(images.map(({id, fileName}) => [id, fileName]))
  const firstOfImage = new Map(refs.filter(({split}) => split === 'val').map((ref) => [ref.imageId, ref]))
  const folder = join(outputDir, 'pictures')
  await mkdir(folder, {recursive: true})
  const drawn: (Prediction<number> & {readonly picture: string})[] = []
  for (const {imageId, box, sentences} of [...firstOfImage.values()].slice(0, PICTURES)) {
    const phrases = sentences.slice(0, 1).map(({text}) => text)
    const predictions = await vilbert.predict({
      model,
      data: {dataRoot},
      image: imageId,
      phrases,
      topK: 3,
      signal,
    })
    for (const prediction of predictions) {
      const picture = join(folder, `${imageId}.png`)
      const image = join(dataRoot, 'images/mscoco/images/train2014', fileNames.get(imageId) ?? '')
      const {phrase, regions: boxes} = prediction
      await vilbert.draw({
        image,
        output: picture,
        phrase,
        boxes: boxes.map(({box, score}) => ({box, score})),
        target: box,
      })
      drawn.push({...prediction, picture})
    }
  }
  return drawn
}

function check(accuracy: number, shuffledAccuracy: number): void {
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`
  if (accuracy < MIN_ACCURACY)
    throw new GateError(
      `The demo's model reaches ${percent(accuracy)} on val, ${percent(MIN_ACCURACY)} are expected.`,
      {
        next: 'More pictures or epochs help: vilbert-ts demo --images 600 --epochs 12.',
      },
    )
  if (shuffledAccuracy > MAX_SHUFFLED_ACCURACY)
    throw new GateError(
      `With phrases of other images the demo's model still reaches ${percent(shuffledAccuracy)}: it does not read.`,
    )
}
