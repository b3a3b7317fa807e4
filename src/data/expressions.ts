import {DataError, printable} from '../errors.js'
import {writeFileAtomic} from '../files.js'
import {broken, FileSource} from '../formats/byte-source.js'
import {readInstances} from '../formats/instances.js'
import type {Instances} from '../formats/instances.js'
import {refuseWrong} from '../formats/problems.js'
import {readRefs} from '../formats/refer.js'
import type {Ref} from '../formats/refer.js'
import type {DatasetLayout} from './datasets.js'
import {breathe} from '../breathe.js'

/** The trusted form of refs and instances: what Python reads. Sizes and boxes are in pixels. */
export type Expressions = {
  readonly schema: 'vilbert-ts/expressions@1'
  readonly dataset: string
  readonly splitBy: string
  /** Fingerprints of the files it was made from. */
  readonly source: {readonly refs: string; readonly instances: string}
  readonly categories: readonly {readonly id: number; readonly name: string}[]
  readonly images: readonly {
    readonly id: number
    readonly width: number
    readonly height: number
    readonly fileName: string | null
  }[]
  readonly refs: readonly ExpressionRef[]
}

export type ExpressionRef = {
  readonly refId: number
  readonly annId: number
  readonly imageId: number
  readonly categoryId: number
  readonly split: string
  /** x1, y1, x2, y2. */
  readonly box: readonly [number, number, number, number]
  readonly sentences: readonly {readonly sentId: number; readonly text: string}[]
}

/** Number of refs, expressions and images of a split. */
export type SplitCounts = {readonly refs: number; readonly expressions: number; readonly images: number}

/**
 * Reads and joins refs and instances; every ref must have its annotation and image, a split of the data set, and
 * sentences that are not empty.
 * @throws FormatError and DataError naming the file, the ref and the field
 */
export async function readExpressions(
  layout: DatasetLayout,
  source: Expressions['source'],
  signal?: AbortSignal,
): Promise<Expressions> {
  using instancesSource = new FileSource(layout.instancesFile)
  const instances = readInstances(instancesSource)
  await breathe(signal)
  using refsSource = new FileSource(layout.refsFile)
  const refs = readRefs(refsSource, refuseWrong)
  await breathe(signal)
  checkSplits(layout, refs)
  return join(layout, source, instances, refs)
}

/** Writes the trusted form under `path`, completely or not at all. */
export async function writeExpressions(path: string, expressions: Expressions): Promise<void> {
  await writeFileAtomic(path, `${JSON.stringify(expressions)}\n`)
}

/** Counts by split, in the order of the data set; a split without refs counts 0. */
export function countSplits(
  layout: DatasetLayout,
  refs: readonly ExpressionRef[],
): Record<string, SplitCounts> {
  const counts = layout.splits.map((split): [string, SplitCounts] => {
    const own = refs.filter((ref) => ref.split === split)
    const expressions = own.reduce((sum, ref) => sum + ref.sentences.length, 0)
    return [split, {refs: own.length, expressions, images: new Set(own.map((ref) => ref.imageId)).size}]
  })
  return Object.fromEntries(counts)
}

function checkSplits(layout: DatasetLayout, refs: readonly Ref[]): void {
  const odd = refs.find((ref) => !layout.splits.includes(ref.split))
  if (odd === undefined) return
  const what = `ref ${odd.refId} has the split "${printable(odd.split)}"`
  throw new DataError(
    `${printable(layout.refsFile, 300)}: ${what}, which ${layout.dataset} (${layout.splitBy}) does not have.`,
    {
      code: 'E_REFS_FIELD',
      next: `Splits of ${layout.dataset} (${layout.splitBy}): ${layout.splits.join(', ')}.`,
    },
  )
}

function join(
  layout: DatasetLayout,
  source: Expressions['source'],
  instances: Instances,
  refs: readonly Ref[],
): Expressions {
  const joined = refs.map((ref) => joinRef(layout, instances, ref))
  const used = new Set(refs.map((ref) => ref.imageId))
  const images = [...instances.images.values()]
    .filter((image) => used.has(image.id))
    .map(({id, width, height, fileName}) => ({id, width, height, fileName: fileName ?? null}))
  const categories = [...instances.categories].map(([id, name]) => ({id, name}))
  const {dataset, splitBy} = layout
  return {schema: 'vilbert-ts/expressions@1', dataset, splitBy, source, categories, images, refs: joined}
}

function joinRef(layout: DatasetLayout, instances: Instances, ref: Ref): ExpressionRef {
  const fail = (what: string): Error =>
    broken({name: layout.refsFile}, 'E_REFS_LINK', `${what} (ref_id ${ref.refId})`)
  const annotation = instances.annotations.get(ref.annId)
  if (annotation === undefined)
    throw fail(`ann_id ${ref.annId} is not in ${printable(layout.instancesFile, 300)}`)
  if (!instances.images.has(ref.imageId)) {
    throw fail(`image_id ${ref.imageId} is not in ${printable(layout.instancesFile, 300)}`)
  }
  if (annotation.imageId !== ref.imageId) {
    throw fail(`image_id is ${ref.imageId}, its annotation ${ref.annId} is of image ${annotation.imageId}`)
  }
  const [x, y, width, height] = annotation.bbox
  const {refId, annId, imageId, categoryId, split} = ref
  const sentences = ref.sentences.map(({sentId, raw}) => ({sentId, text: raw}))
  return {refId, annId, imageId, categoryId, split, box: [x, y, x + width, y + height], sentences}
}
