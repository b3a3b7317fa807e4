import {readFile} from 'node:fs/promises'
import {z} from 'zod'
import {datasetLayout} from '../data/datasets.js'
import type {ExpressionRef} from '../data/expressions.js'
import type {Box} from '../data/overlap.js'
import type {PreparedData} from '../data/prepare.js'
import {readRegionBoxes} from '../data/region-boxes.js'
import {DataError, printable} from '../errors.js'
import {FileSource} from '../formats/byte-source.js'
import {readInstances} from '../formats/instances.js'

/** An annotated object of an image, referred to or not. */
export type AnnotatedObject = {readonly annId: number; readonly categoryId: number; readonly box: Box}

export type WorldImage = {readonly width: number; readonly height: number; readonly fileName: string | null}

/** What is known of the data beside what a model says of them. Sizes and boxes are in pixels. */
export type World = {
  readonly dataset: string
  readonly splitBy: string
  readonly refs: readonly ExpressionRef[]
  readonly images: ReadonlyMap<number, WorldImage>
  /** Names by id. */
  readonly categories: ReadonlyMap<number, string>
  /** Boxes of an image's regions as the model sees them in evaluation; the first is the whole image. */
  readonly regionsOf: (imageId: number) => readonly Box[]
  readonly objectsOf: (imageId: number) => readonly AnnotatedObject[]
}

const box = z.tuple([z.number(), z.number(), z.number(), z.number()])
/** The trusted form of the expressions, as far as it is read here. */
export const expressionsSchema = z.object({
  categories: z.array(z.object({id: z.number(), name: z.string()})),
  images: z.array(
    z.object({id: z.number(), width: z.number(), height: z.number(), fileName: z.string().nullable()}),
  ),
  refs: z.array(
    z.object({
      refId: z.number(),
      annId: z.number(),
      imageId: z.number(),
      categoryId: z.number(),
      split: z.string(),
      box,
      sentences: z.array(z.object({sentId: z.number(), text: z.string()})),
    }),
  ),
})

/**
 * Opens the trusted forms of a data set, and its annotations: those that nobody refers to are needed too, because a
 * model may choose them.
 * @throws FormatError, DataError
 */
export async function openWorld(dataRoot: string, prepared: PreparedData): Promise<World> {
  const {dataset, splitBy, expressionsFile, detectedFile} = prepared
  const known = expressionsSchema.parse(JSON.parse(await readFile(expressionsFile, 'utf8')))
  const objects = readObjects(datasetLayout(dataRoot, dataset, splitBy).instancesFile)
  return {
    dataset,
    splitBy,
    refs: known.refs,
    images: new Map(known.images.map(({id, ...image}) => [id, image])),
    categories: new Map(known.categories.map(({id, name}) => [id, name])),
    regionsOf: readRegions(detectedFile),
    objectsOf: (imageId) => objects.get(imageId) ?? [],
  }
}

/** Of an image's regions, the model sees so many, the one of the whole image included. */
const maxRegions = 100

function readRegions(detectedFile: string): World['regionsOf'] {
  const images = readRegionBoxes(detectedFile)
  return (imageId) => {
    const boxes = images.get(imageId)?.boxes
    if (boxes === undefined) {
      throw new DataError(`Image ${imageId} has no regions in ${printable(detectedFile, 300)}.`)
    }
    const edge = (region: number, index: number): number => boxes[4 * region + index] ?? 0
    return Array.from({length: Math.min(boxes.length / 4, maxRegions)}, (_, region): Box => {
      return [edge(region, 0), edge(region, 1), edge(region, 2), edge(region, 3)]
    })
  }
}

function readObjects(instancesFile: string): ReadonlyMap<number, readonly AnnotatedObject[]> {
  using source = new FileSource(instancesFile)
  const byImage = new Map<number, AnnotatedObject[]>()
  for (const {id, imageId, categoryId, bbox} of readInstances(source).annotations.values()) {
    const [x, y, width, height] = bbox
    const object: AnnotatedObject = {annId: id, categoryId, box: [x, y, x + width, y + height]}
    const others = byImage.get(imageId)
    if (others === undefined) byImage.set(imageId, [object])
    else others.push(object)
  }
  return byImage
}
