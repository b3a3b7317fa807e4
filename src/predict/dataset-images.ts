import {existsSync} from 'node:fs'
import {readFile} from 'node:fs/promises'
import {basename, join} from 'node:path'
import {z} from 'zod'
import type {PreparedData} from '../data/prepare.js'
import {readRegionImageIds} from '../data/regions.js'
import {DataError, printable} from '../errors.js'
import type {FoundRegions, Place, RegionSource} from './region-source.js'

const namesSchema = z.object({
  images: z.array(z.object({id: z.number(), fileName: z.string().nullable()})),
})

/** The images of a data set by id and by the names of their files; what it needs is read when it is first asked. */
export class DatasetImages implements RegionSource {
  readonly isDataset = true
  readonly #prepared: PreparedData
  readonly #folder: string
  #known: ReadonlySet<number> | undefined
  #fileNames: Promise<ReadonlyMap<number, string>> | undefined
  #ids: ReadonlyMap<string, number> | undefined

  constructor(prepared: PreparedData, pictureFolder: string) {
    this.#prepared = prepared
    this.#folder = pictureFolder
  }

  async find(images: readonly (number | string)[]): Promise<FoundRegions> {
    const places: Place[] = []
    for (const image of images) places.push(await this.#placeOf(image))
    const {detectedFile, detectedSource} = this.#prepared
    return {detectedFile, detectedSource, places, [Symbol.asyncDispose]: () => Promise.resolve()}
  }

  async pictureOf(image: number | string): Promise<string> {
    if (typeof image === 'string' && existsSync(image)) return image
    const id = await this.#placeOf(image)
    if (typeof id !== 'number') throw id
    this.#fileNames ??= this.#readFileNames()
    const name = (await this.#fileNames).get(id) ?? `COCO_train2014_${String(id).padStart(12, '0')}.jpg`
    const path = join(this.#folder, name)
    if (existsSync(path)) return path
    throw new DataError(`The picture of image ${id} is missing: ${printable(path, 300)}.`, {
      code: 'E_NO_PICTURE',
      next: 'Pass --images with the folder that holds the pictures.',
    })
  }

  async #placeOf(image: number | string): Promise<Place> {
    const id =
      typeof image === 'number' || /^\d{1,15}$/.test(image) ? Number(image) : await this.#named(image)
    this.#known ??= readRegionImageIds(this.#prepared.detectedFile) ?? new Set()
    if (id !== undefined && this.#known.has(id)) return id
    const what = id === undefined ? `The picture ${printable(String(image), 300)}` : `Image ${id}`
    return missing(`${what} has no region features in ${printable(this.#prepared.detectedSource, 300)}.`)
  }

  async #named(image: string): Promise<number | undefined> {
    this.#fileNames ??= this.#readFileNames()
    this.#ids ??= new Map([...(await this.#fileNames)].map(([id, name]) => [basename(name), id]))
    const name = basename(image)
    const inCoco = /^COCO_\w+_(\d{12})\.\w+$/.exec(name)?.[1]
    return this.#ids.get(name) ?? (inCoco === undefined ? undefined : Number(inCoco))
  }

  async #readFileNames(): Promise<ReadonlyMap<number, string>> {
    const text = await readFile(this.#prepared.expressionsFile, 'utf8')
    const {images} = namesSchema.parse(JSON.parse(text))
    return new Map(images.flatMap(({id, fileName}) => (fileName === null ? [] : [[id, fileName]])))
  }
}

function missing(message: string): DataError {
  return new DataError(message, {
    code: 'E_REGIONS_MISSING',
    next: 'There is no detector here: check the image, or give its boxes [N, 4] and features [N, 2048] with --regions FILE.',
  })
}
