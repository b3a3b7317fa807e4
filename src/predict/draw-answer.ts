import {mkdir} from 'node:fs/promises'
import {basename, extname, join} from 'node:path'
import {DataError, printable} from '../errors.js'
import type {Vilbert} from '../vilbert.js'
import type {LoadedModel} from './loaded-model.js'
import type {Prediction} from './query.js'

/** Makes the folder that drawings go to. @throws DataError E_OUTPUT */
export async function drawingFolder(folder: string): Promise<string> {
  await mkdir(folder, {recursive: true}).catch((cause: unknown) => {
    const reason = cause instanceof Error && 'code' in cause ? ` (${String(cause.code)})` : ''
    throw new DataError(`The folder ${printable(folder, 300)} cannot be made${reason}.`, {
      code: 'E_OUTPUT',
      next: 'Pass --draw with a folder that you may write to.',
      cause,
    })
  })
  return folder
}

/**
 * Draws the boxes of an answer with their scores and the phrase on its picture.
 * @param number tells apart what is asked of one image
 * @returns the file, `<folder>/<number>-<image>-<phrase>.png`
 * @throws DataError where there is no picture
 */
export async function drawAnswer(
  vilbert: Vilbert,
  model: LoadedModel,
  {image, phrase, regions}: Pick<Prediction, 'image' | 'phrase' | 'regions'>,
  {folder, number}: {readonly folder: string; readonly number: number},
): Promise<string> {
  const picture = await model.pictureOf(image)
  const name = basename(String(image), extname(String(image)))
  const output = join(folder, `${number}-${slug(name)}-${slug(phrase)}.png`)
  const boxes = regions.map(({box, score}) => ({box, score}))
  await vilbert.draw({image: picture, output, phrase, boxes})
  return output
}

/** Letters and digits of any script, as file names of any system take them. */
function slug(text: string): string {
  const words = text
    .normalize('NFC')
    .toLowerCase()
    .match(/[\p{L}\p{M}\p{N}]+/gu)
  return Array.from((words ?? ['x']).join('-'))
    .slice(0, 40)
    .join('')
}
