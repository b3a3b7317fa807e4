import {printable} from '../errors.js'
import type {FormatError} from '../errors.js'
import {broken} from './byte-source.js'
import type {ByteSource} from './byte-source.js'
import {isFileName} from './file-name.js'
import {parseJson} from './json.js'
import type {JsonObject, JsonValue} from './json.js'

/** Sizes in pixels. */
export type InstanceImage = {
  readonly id: number
  readonly width: number
  readonly height: number
  readonly fileName: string | undefined
}

export type Annotation = {
  readonly id: number
  readonly imageId: number
  readonly categoryId: number
  /** x, y, width, height in pixels. */
  readonly bbox: readonly [number, number, number, number]
}

export type Instances = {
  readonly images: ReadonlyMap<number, InstanceImage>
  readonly annotations: ReadonlyMap<number, Annotation>
  /** Category names by id. */
  readonly categories: ReadonlyMap<number, string>
}

const largestFileBytes = 2 ** 30
const largestImageSide = 100_000
/** Real boxes end up to a pixel outside, because annotators' masks do. */
const boxTolerancePx = 2
const skippedArrays = new Set(['segmentation'])
const namesOfObjects = ['__proto__', 'constructor', 'prototype']
const keptKeys = new Set([
  ...['images', 'annotations', 'categories', 'id', 'width', 'height', 'file_name', 'name'],
  ...['image_id', 'category_id', 'bbox', 'segmentation', 'size', ...namesOfObjects],
])

/**
 * Reads the images, boxes and categories of a COCO `instances.json`; masks are checked as JSON and not kept.
 * @throws FormatError naming the entry by its id and the field
 */
export function readInstances(source: ByteSource): Instances {
  if (source.sizeBytes > largestFileBytes)
    throw broken(source, 'E_LIMIT', `the file has ${source.sizeBytes} bytes`)
  const top = parseJson(source, source.read(0, source.sizeBytes), {keptKeys, skippedArrays})
  if (!(top instanceof Map)) throw broken(source, 'E_INST_FIELD', 'the top level is not an object')
  const reader = new InstancesReader(source)
  const imageRows = reader.list(top, 'images')
  const annotationRows = reader.list(top, 'annotations')
  const categoryRows = reader.list(top, 'categories')
  const images = reader.table(imageRows, 'image', (row, id) => reader.image(row, id))
  const categories = reader.table(categoryRows, 'category', (row, id) => reader.category(row, id))
  const annotations = reader.table(annotationRows, 'annotation', (row, id) =>
    reader.annotation(row, id, images, categories),
  )
  return {images, annotations, categories}
}

class InstancesReader {
  readonly #source: ByteSource

  constructor(source: ByteSource) {
    this.#source = source
  }

  list(top: JsonObject, field: string): readonly JsonValue[] {
    const value = top.get(field)
    if (!Array.isArray(value)) throw this.#fail('E_INST_FIELD', `there is no list "${field}"`)
    return value
  }

  table<T>(
    rows: readonly JsonValue[],
    what: string,
    read: (row: JsonObject, id: number) => T,
  ): Map<number, T> {
    const table = new Map<number, T>()
    for (const [index, row] of rows.entries()) {
      if (!(row instanceof Map))
        throw this.#fail('E_INST_FIELD', `${what} at index ${index} is not an object`)
      for (const name of namesOfObjects) {
        if (row.has(name)) throw this.#fail('E_INST_FIELD', `${what} at index ${index} has a field ${name}`)
      }
      const id = row.get('id')
      if (typeof id !== 'number' || !Number.isSafeInteger(id) || id < 0) {
        throw this.#fail('E_INST_FIELD', `${what} at index ${index} has the id ${show(id)}`)
      }
      if (table.has(id)) throw this.#fail('E_INST_DUP', `${what} id ${id} is there twice`)
      table.set(id, read(row, id))
    }
    return table
  }

  image(row: JsonObject, id: number): InstanceImage {
    const fileName = row.get('file_name')
    if (fileName !== undefined && (typeof fileName !== 'string' || !isFileName(fileName))) {
      throw this.#fail(
        'E_INST_PATH',
        `the file_name of image ${id} is ${show(fileName)}, which is not the name of a file`,
      )
    }
    return {id, width: this.#side(row, 'width', id), height: this.#side(row, 'height', id), fileName}
  }

  category(row: JsonObject, id: number): string {
    const name = row.get('name')
    if (typeof name !== 'string')
      throw this.#fail('E_INST_FIELD', `the name of category ${id} is ${show(name)}`)
    return name
  }

  annotation(
    row: JsonObject,
    id: number,
    images: ReadonlyMap<number, InstanceImage>,
    categories: ReadonlyMap<number, string>,
  ): Annotation {
    const imageId = row.get('image_id')
    const categoryId = row.get('category_id')
    const image = typeof imageId === 'number' ? images.get(imageId) : undefined
    if (image === undefined) {
      throw this.#fail(
        'E_INST_LINK',
        `the image_id of annotation ${id} is ${show(imageId)}, which is no image of the file`,
      )
    }
    if (typeof categoryId !== 'number' || !categories.has(categoryId)) {
      throw this.#fail(
        'E_INST_LINK',
        `the category_id of annotation ${id} is ${show(categoryId)}, which is not there`,
      )
    }
    this.#checkMask(row.get('segmentation'), image, id)
    return {id, imageId: image.id, categoryId, bbox: this.#box(row.get('bbox'), image, id)}
  }

  #side(row: JsonObject, field: 'width' | 'height', id: number): number {
    const side = row.get(field)
    if (side === undefined) throw this.#fail('E_INST_FIELD', `image ${id} has no ${field}`)
    const isSide = typeof side === 'number' && Number.isInteger(side) && side > 0 && side <= largestImageSide
    if (!isSide) throw this.#fail('E_INST_IMAGE', `the ${field} of image ${id} is ${show(side)}`)
    return side
  }

  #box(value: JsonValue | undefined, image: InstanceImage, id: number): Annotation['bbox'] {
    const [x, y, width, height] = Array.isArray(value) && value.length === 4 ? value : []
    const isBox =
      typeof x === 'number' &&
      typeof y === 'number' &&
      typeof width === 'number' &&
      typeof height === 'number'
    if (!isBox) throw this.#fail('E_INST_BOX', `the bbox of annotation ${id} is not four numbers`)
    if (width <= 0 || height <= 0) {
      throw this.#fail('E_INST_BOX', `the bbox of annotation ${id} has the size ${width} x ${height}`)
    }
    const isInside =
      x >= -boxTolerancePx &&
      y >= -boxTolerancePx &&
      x + width <= image.width + boxTolerancePx &&
      y + height <= image.height + boxTolerancePx
    if (!isInside)
      throw this.#fail('E_INST_BOX', `the bbox of annotation ${id} is outside of image ${image.id}`)
    return [x, y, width, height]
  }

  // A run-length mask says the size of its image; another size means that the mask is of another image.
  #checkMask(mask: JsonValue | undefined, image: InstanceImage, id: number): void {
    if (!(mask instanceof Map)) return
    const size = mask.get('size')
    const [height, width] = Array.isArray(size) && size.length === 2 ? size : []
    if (height !== image.height || width !== image.width) {
      throw this.#fail('E_INST_FIELD', `the segmentation of annotation ${id} is not of the size of its image`)
    }
  }

  #fail(code: string, what: string): FormatError {
    return broken(this.#source, code, what)
  }
}

function show(value: JsonValue | undefined): string {
  if (value === undefined) return 'missing'
  if (typeof value === 'string') return `"${printable(value)}"`
  if (value instanceof Map) return 'an object'
  return Array.isArray(value) ? 'a list' : String(value)
}
