import {existsSync} from 'node:fs'
import {readFile} from 'node:fs/promises'
import path from 'node:path'
import {datasetLayout, ownDataset, type DatasetLayout} from '../data/datasets.js'
import {readExpressions, type Expressions} from '../data/expressions.js'
import {openImported} from '../data/import/imported.js'
import {DataError, printable} from '../errors.js'

/** The ref that {@link readRef} looks for. */
export type ReadRefOptions = {
  readonly dataRoot: string
  readonly dataset: string
  /** @default the usual one of the data set */
  readonly splitBy?: string | undefined
  readonly refId: number
  readonly signal?: AbortSignal | undefined
}

/** A ref with all that belongs to it. */
export type RefDetails = {
  readonly dataset: string
  readonly splitBy: string
  readonly refId: number
  readonly annId: number
  readonly split: string
  /** `name` is null where the data set names no such category. */
  readonly category: {readonly id: number; readonly name: string | null}
  readonly image: {
    readonly id: number
    /** In pixels, like `height`. */
    readonly width: number
    readonly height: number
    readonly fileName: string | null
    /** The picture, where it is in the data root. */
    readonly file: string | null
  }
  /** x1, y1, x2, y2 in pixels. */
  readonly box: readonly [number, number, number, number]
  readonly sentences: readonly {readonly sentId: number; readonly text: string}[]
}

/** COCO's pictures below a data root; RefCOCO, RefCOCO+ and RefCOCOg all use those of train2014. */
const imageFolder = path.join('images', 'mscoco', 'images', 'train2014')

/**
 * Finds a ref in the annotations of a data root. Features and Python are not needed.
 *
 * @throws {DataError} when there is no such ref, or the annotations are damaged
 */
export async function readRef(options: ReadRefOptions): Promise<RefDetails> {
  const {dataRoot, dataset, splitBy, refId, signal} = options
  const layout = datasetLayout(dataRoot, dataset, splitBy)
  const {file, expressions} = await expressionsOf(layout, dataRoot, signal)
  const {refs, images, categories} = expressions
  const ref = refs.find((candidate) => candidate.refId === refId)
  const image = images.find(({id}) => id === ref?.imageId)
  if (ref === undefined || image === undefined) {
    throw new DataError(`${printable(file, 300)} has no ref ${refId}.`, {
      code: 'E_NO_REF',
      next: rangeOf(refs.map((candidate) => candidate.refId)),
    })
  }
  const category = categories.find(({id}) => id === ref.categoryId)
  const {annId, split, box, sentences} = ref
  return {
    dataset,
    splitBy: layout.splitBy,
    refId,
    annId,
    split,
    category: {id: ref.categoryId, name: category?.name ?? null},
    image: {...image, file: findPicture(dataRoot, image.fileName)},
    box,
    sentences,
  }
}

/** Imported data are in the trusted form already. */
async function expressionsOf(
  layout: DatasetLayout,
  dataRoot: string,
  signal: AbortSignal | undefined,
): Promise<{readonly file: string; readonly expressions: Expressions}> {
  if (layout.dataset === ownDataset) {
    const {expressionsFile: file} = await openImported(dataRoot, false)
    return {file, expressions: JSON.parse(await readFile(file, 'utf8')) as Expressions}
  }
  // Nothing is stored, so the fingerprints of the sources are of no use.
  const expressions = await readExpressions(layout, {refs: '', instances: ''}, signal)
  return {file: layout.refsFile, expressions}
}

/** Real data sets leave some numbers out. */
function rangeOf(refIds: readonly number[]): string {
  // Too many for the arguments of Math.min.
  const lowest = refIds.reduce((low, id) => Math.min(low, id), Infinity)
  const highest = refIds.reduce((high, id) => Math.max(high, id), 0)
  return `Its ${refIds.length} refs have numbers from ${lowest} to ${highest}.`
}

function findPicture(dataRoot: string, fileName: string | null): string | null {
  if (fileName === null) return null
  const file = path.join(dataRoot, imageFolder, fileName)
  return existsSync(file) ? file : null
}
