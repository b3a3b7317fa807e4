import {randomUUID} from 'node:crypto'
import {existsSync} from 'node:fs'
import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join, resolve} from 'node:path'
import {z} from 'zod'
import type {Bridge} from '../bridge/bridge.js'
import {RegionWriter} from '../data/region-writer.js'
import {DataError, printable, VilbertError} from '../errors.js'
import {openOwnRegions} from './own-regions.js'
import type {Place, RegionSource} from './region-source.js'

const sizesSchema = z.object({
  sizes: z.array(z.union([z.tuple([z.int().min(1), z.int().min(1)]), z.string()])),
})

/** Pictures that are in no data set, with boxes and features of their own in `path`. */
export function ownPictures(bridge: Bridge, path: string): RegionSource {
  openOwnRegions(path)[Symbol.dispose]() // what is wrong with all of them is said before the first query
  let only: string | undefined
  return {
    async find(images, signal) {
      using regions = openOwnRegions(path)
      const pictures = [...new Set(images.map(String))]
      if (regions.isOfOnePicture) only ??= pictures[0]
      const request = {images: pictures.map((picture) => resolve(picture))}
      const {sizes} = await bridge.call('vilbert.draw:picture_sizes', request, {reply: sizesSchema, signal})
      const folder = await mkdtemp(join(tmpdir(), 'vilbert-ts-regions-'))
      const remove = (): Promise<void> => rm(folder, {recursive: true, force: true})
      try {
        // Python keeps what it has opened by its path: no two may have the same.
        const detectedFile = join(folder, `${randomUUID()}.safetensors`)
        await using writer = await RegionWriter.open(detectedFile, {source: 'own', dtype: 'F32'})
        const found = new Map<string, Place>()
        for (const [imageId, picture] of pictures.entries()) {
          const place = await attempt(async () => {
            if (only !== undefined && picture !== only) throw ofAnother(path, only, picture)
            const [width, height] = sizeOf(sizes[imageId])
            await writer.add(regions.read(picture, {imageId, width, height}))
            return imageId
          })
          found.set(picture, place)
        }
        await writer.finish()
        const places = images.map((image) => found.get(String(image)) ?? 0)
        return {detectedFile, detectedSource: path, places, [Symbol.asyncDispose]: remove}
      } catch (error) {
        await remove()
        throw error
      }
    },
    pictureOf(image) {
      const picture = String(image)
      if (!existsSync(picture)) throw noPicture(`The picture ${printable(picture, 300)} does not exist.`)
      return Promise.resolve(picture)
    },
    isDataset: false,
  }
}

async function attempt(work: () => Promise<number>): Promise<Place> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof VilbertError) return error
    throw error
  }
}

function sizeOf(size: readonly [number, number] | string | undefined): readonly [number, number] {
  if (typeof size === 'object') return size
  throw noPicture(size ?? 'The picture has no size.')
}

function noPicture(message: string): DataError {
  return new DataError(message, {code: 'E_NO_PICTURE', next: 'Pass the path of a PNG or JPEG file.'})
}

function ofAnother(path: string, only: string, picture: string): DataError {
  const both = `${printable(only, 300)} and ${printable(picture, 300)}`
  return new DataError(`${printable(path, 300)} has the regions of one picture, not of ${both}.`, {
    code: 'E_REGIONS_MISSING',
    next: 'For many pictures pass a folder of <picture>.safetensors or a .tsv.',
  })
}
