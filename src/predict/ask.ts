import {VilbertError} from '../errors.js'
import type {Vilbert} from '../vilbert.js'
import {answerLines, type LineAnswer} from './answer-lines.js'
import {drawAnswer} from './draw-answer.js'
import type {LoadedModel} from './loaded-model.js'
import {openInput} from './open-input.js'
import type {Prediction} from './query.js'
import {queryLines} from './query-lines.js'

/** A prediction, and the picture that was drawn of it. */
export type DrawnPrediction = Prediction & {readonly drawing?: string}

export type AskContext = {
  readonly vilbert: Vilbert
  readonly model: LoadedModel
  /** Folder for drawings, if there are to be any. */
  readonly folder: string | undefined
  readonly topK: number
  /** @default 32 */
  readonly batchSize?: number | undefined
  readonly signal: AbortSignal
}

/** Asks phrases about one image and draws the answers. */
export async function askPhrases(
  options: AskContext & {readonly image: string; readonly phrases: readonly string[]},
): Promise<DrawnPrediction[]> {
  const {vilbert, model, folder, phrases, topK, signal} = options
  // An id stays a number in the answer, as it always was.
  const image = /^\d{1,15}$/.test(options.image) ? Number(options.image) : options.image
  const predictions = await model.predictPhrases({image, phrases, topK, signal})
  if (folder === undefined) return predictions
  const drawn: DrawnPrediction[] = []
  for (const [index, prediction] of predictions.entries()) {
    const drawing = await drawAnswer(vilbert, model, prediction, {folder, number: index + 1})
    drawn.push({...prediction, drawing})
  }
  return drawn
}

/** Answers the lines of a file or of the standard input, while the answers are pulled. */
export async function* askInput(
  input: string,
  {vilbert, model, folder, ...options}: AskContext,
): AsyncGenerator<LineAnswer, void, void> {
  const pieces = await openInput(input, options.signal)
  for await (const answer of answerLines(model, queryLines(pieces), options)) {
    if (folder === undefined || answer.error !== undefined) yield answer
    else yield await withDrawing(vilbert, model, answer, folder)
  }
}

async function withDrawing(
  vilbert: Vilbert,
  model: LoadedModel,
  answer: LineAnswer & {readonly error?: undefined},
  folder: string,
): Promise<LineAnswer> {
  try {
    const drawing = await drawAnswer(vilbert, model, answer, {folder, number: answer.line})
    return {...answer, drawing}
  } catch (error) {
    // One picture that is missing is the matter of its line; that Python is gone is that of all.
    if (!(error instanceof VilbertError) || error.exitCode !== 4) throw error
    const {index, line, id, image, phrase} = answer
    return {index, line, ...(id !== undefined && {id}), image, phrase, error}
  }
}
