import {mkdtemp, readFile, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {z} from 'zod'
import {Bridge} from '../bridge/bridge.js'
import {findPython} from '../bridge/python-environment.js'
import type {World} from './world.js'

/** Small JPEG files of images, by image id. */
export type Pictures = ReadonlyMap<number, Buffer>

export type PictureOptions = {
  /** Folder of the image files. */
  readonly folder: string
  readonly imageIds: Iterable<number>
  readonly python?: string | undefined
  readonly signal?: AbortSignal | undefined
}

/** Enough to recognise what is in a picture of a few centimetres. */
const longestSidePx = 360
const quality = 72

const replySchema = z.object({written: z.array(z.number())})

/**
 * Reduces images to what a page can carry. Images that are not there or cannot be read are left out: a page can do
 * without. They are written anew, so that nothing of a file but its pixels gets into a page.
 */
export async function smallPictures(
  {images}: World,
  {folder, imageIds, python, signal}: PictureOptions,
): Promise<Pictures> {
  const wanted = [...new Set(imageIds)].flatMap((id) => {
    const fileName = images.get(id)?.fileName ?? null
    return fileName === null ? [] : [{id, path: join(folder, fileName)}]
  })
  if (wanted.length === 0) return new Map()
  await using bridge = new Bridge({python: await findPython({python})})
  const target = await mkdtemp(join(tmpdir(), 'vilbert-ts-pictures-'))
  try {
    const request = {images: wanted, folder: target, longestSide: longestSidePx, quality}
    const {written} = await bridge.call('vilbert.thumbnails:thumbnails', request, {
      reply: replySchema,
      signal,
    })
    const read = async (id: number) => [id, await readFile(join(target, `${id}.jpg`))] as const
    return new Map(await Promise.all(written.map(read)))
  } finally {
    await rm(target, {recursive: true, force: true})
  }
}
