import {open, readFile} from 'node:fs/promises'
import {join} from 'node:path'
import type {PreparedData} from '../data/prepare.js'
import {isFileName} from '../formats/file-name.js'
import {expressionsSchema} from '../report/world.js'
import {HttpProblem} from './problem.js'
import type {ImageDetails, ImageList} from './schemas.js'

/** A picture's bytes as they are served. */
export type Picture = {readonly bytes: Uint8Array<ArrayBuffer>; readonly type: 'image/jpeg' | 'image/png'}

type KnownImage = {
  readonly id: number
  readonly width: number
  readonly height: number
  readonly fileName: string | null
}

/** A picture of a data set has some hundred kilobytes. */
const maxPictureBytes = 20 * 1024 * 1024

/** The images of a data set: what is known of them, and their pictures. Only its own ids lead to a file. */
export class ImageCatalogue {
  readonly splits: readonly string[]
  readonly #folder: string
  readonly #images: ReadonlyMap<number, KnownImage>
  readonly #refs: ReadonlyMap<number, ImageDetails['refs']>
  readonly #bySplit: ReadonlyMap<string, readonly number[]>

  private constructor(
    folder: string,
    images: readonly KnownImage[],
    refs: Map<number, ImageDetails['refs']>,
  ) {
    this.#folder = folder
    this.#images = new Map(images.map((image) => [image.id, image]))
    this.#refs = refs
    const bySplit = new Map<string, number[]>()
    for (const {id} of images) {
      for (const split of new Set((refs.get(id) ?? []).map((ref) => ref.split))) {
        const ids = bySplit.get(split)
        if (ids === undefined) bySplit.set(split, [id])
        else ids.push(id)
      }
    }
    this.#bySplit = bySplit
    this.splits = [...bySplit.keys()]
  }

  /** @param folder - of the picture files */
  static async open(folder: string, {expressionsFile}: PreparedData): Promise<ImageCatalogue> {
    const {images, refs, categories} = expressionsSchema.parse(
      JSON.parse(await readFile(expressionsFile, 'utf8')),
    )
    const names = new Map(categories.map(({id, name}) => [id, name]))
    const byImage = new Map<number, ImageDetails['refs']>()
    for (const {refId, imageId, categoryId, split, box, sentences} of refs) {
      const texts = sentences.map(({text}) => text)
      const ref = {refId, split, category: names.get(categoryId) ?? null, box, sentences: texts}
      const others = byImage.get(imageId)
      if (others === undefined) byImage.set(imageId, [ref])
      else others.push(ref)
    }
    return new ImageCatalogue(folder, images, byImage)
  }

  get size(): number {
    return this.#images.size
  }

  /** The first image, if there is any. */
  get firstId(): number | undefined {
    return this.#images.keys().next().value
  }

  /** @throws HttpProblem 404 for an image that is not of the data set */
  require(id: number): KnownImage {
    const image = this.#images.get(id)
    if (image !== undefined) return image
    throw new HttpProblem(404, 'E_NO_IMAGE', `The data set has no image ${id}.`, {
      next: 'GET /api/v1/images lists those that it has.',
    })
  }

  /** Some of the images of a split, or of all. */
  async list({
    split,
    offset,
    limit,
  }: {
    readonly split?: string | undefined
    readonly offset: number
    readonly limit: number
  }): Promise<ImageList> {
    const ids = split === undefined ? [...this.#images.keys()] : (this.#bySplit.get(split) ?? [])
    const shown = ids.slice(offset, offset + limit).map(async (id) => await this.#describe(this.require(id)))
    return {total: ids.length, splits: [...this.splits], images: await Promise.all(shown)}
  }

  async details(id: number): Promise<ImageDetails> {
    return {...(await this.#describe(this.require(id))), refs: this.#refs.get(id) ?? []}
  }

  /** @throws HttpProblem 404 without a picture, 415 where the file is none, 413 where it is far too large */
  async picture(id: number): Promise<Picture> {
    const path = this.#pathOf(this.require(id))
    const file = path === undefined ? undefined : await open(path, 'r').catch(() => undefined)
    if (file === undefined) {
      throw new HttpProblem(404, 'E_NO_PICTURE', `The picture of image ${id} is not there.`, {
        next: 'Boxes are shown without it; `--images DIR` names the folder of the pictures.',
      })
    }
    try {
      const status = await file.stat()
      if (!status.isFile() || status.size > maxPictureBytes) {
        throw new HttpProblem(413, 'E_LARGE_PICTURE', `The picture of image ${id} is too large to be served.`)
      }
      const bytes = new Uint8Array(await file.readFile())
      return {bytes, type: pictureType(bytes, id)}
    } finally {
      await file.close()
    }
  }

  async #describe(image: KnownImage): Promise<ImageList['images'][number]> {
    const {id, width, height} = image
    const path = this.#pathOf(image)
    const file = path === undefined ? undefined : await open(path, 'r').catch(() => undefined)
    await file?.close()
    return {id, width, height, hasPicture: file !== undefined}
  }

  // The name comes from the annotations of a data set, which may be anybody's.
  #pathOf({fileName}: KnownImage): string | undefined {
    return fileName !== null && isFileName(fileName) ? join(this.#folder, fileName) : undefined
  }
}

/** By the first bytes: a file that is no picture must not leave the machine, whatever its name is. */
function pictureType(bytes: Uint8Array, id: number): Picture['type'] {
  const starts = (...expected: number[]): boolean => expected.every((byte, index) => bytes[index] === byte)
  if (starts(0xff, 0xd8, 0xff)) return 'image/jpeg'
  if (starts(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)) return 'image/png'
  throw new HttpProblem(415, 'E_NOT_A_PICTURE', `The file of image ${id} is no JPEG or PNG picture.`)
}
