import {readFile} from 'node:fs/promises'

import {datasetLayout} from './datasets.js'
import {distribution} from './distribution.js'
import type {Distribution} from './distribution.js'
import type {ExpressionRef, Expressions} from './expressions.js'
import {findLeaks, wordsOf} from './leaks.js'
import type {Leak} from './leaks.js'
import {bestOverlap} from './overlap.js'
import {prepareData} from './prepare.js'
import type {PrepareOptions} from './prepare.js'
import {readRegionBoxes} from './region-boxes.js'
import type {ImageBoxes} from './region-boxes.js'

/** What a data set consists of, measured on what training and evaluation see. */
export type DataStats = {
  readonly dataset: string
  readonly splitBy: string
  readonly splits: readonly SplitStats[]
  /** Most refs first; those without any are left out. */
  readonly categories: readonly CategoryStats[]
  /** Empty when no image is in two splits. */
  readonly leaks: readonly Leak[]
}

/** What a split consists of, and the accuracy that its detected boxes allow. */
export type SplitStats = {
  readonly split: string
  readonly refs: number
  readonly sentences: number
  readonly images: number
  /** Running words, and different ones (lower case, cut at spaces). */
  readonly words: number
  readonly distinctWords: number
  readonly wordsPerSentence: Distribution
  readonly sentencesPerRef: Distribution
  /** Detected ones, without the global region. */
  readonly regionsPerImage: Distribution
  /** Area of the boxes that are meant in percent of their image, one value a ref. */
  readonly boxAreaPercent: Distribution
  /** The same boxes by area in pixels as COCO groups them: below 32², below 96², larger. */
  readonly boxSizes: {readonly small: number; readonly medium: number; readonly large: number}
  readonly ceiling: Ceiling
}

/** What a model that always chose the best region would reach. */
export type Ceiling = {
  /** Sentences of which some region that evaluation offers has an IoU above 0.5 with the box that is meant. */
  readonly sentences: number
  /** Their share of all, 0 to 1; 0 where there are none. */
  readonly accuracy: number
}

/** How often objects of a category are spoken of. */
export type CategoryStats = {
  readonly id: number
  readonly name: string
  readonly refs: number
  readonly sentences: number
  readonly refsBySplit: Readonly<Record<string, number>>
}

const mostRegions = 100
const hitAbove = 0.5
const smallBelowPx2 = 32 ** 2
const mediumBelowPx2 = 96 ** 2

/**
 * Measures a data set. Reads it first, or takes what was read before; needs no Python.
 * @throws DataError, FormatError (exit 4) as {@link prepareData}
 */
export async function dataStats(options: Omit<PrepareOptions, 'annotated'>): Promise<DataStats> {
  const prepared = await prepareData({...options, annotated: false})
  const {refs, categories} = JSON.parse(await readFile(prepared.expressionsFile, 'utf8')) as Expressions
  const regions = readRegionBoxes(prepared.detectedFile)
  const {splits} = datasetLayout(options.dataRoot, prepared.dataset, prepared.splitBy)
  return {
    dataset: prepared.dataset,
    splitBy: prepared.splitBy,
    splits: splits.map((split) => {
      const own = refs.filter((ref) => ref.split === split)
      return splitStats(split, own, regions)
    }),
    categories: categoryStats(splits, refs, categories),
    leaks: findLeaks(splits, refs),
  }
}

function splitStats(
  split: string,
  refs: readonly ExpressionRef[],
  regions: ReadonlyMap<number, ImageBoxes>,
): SplitStats {
  const sentences = refs.flatMap((ref) => ref.sentences.map(({text}) => wordsOf(text)))
  const images = [...new Set(refs.map((ref) => ref.imageId))]
  const areas = refs.map(({box: [x1, y1, x2, y2]}) => (x2 - x1) * (y2 - y1))
  const small = areas.filter((area) => area < smallBelowPx2).length
  const medium = areas.filter((area) => area < mediumBelowPx2).length - small
  return {
    split,
    refs: refs.length,
    sentences: sentences.length,
    images: images.length,
    words: sentences.reduce((sum, words) => sum + words.length, 0),
    distinctWords: new Set(sentences.flat()).size,
    wordsPerSentence: distribution(
      sentences.map((words) => words.length),
      1,
    ),
    sentencesPerRef: distribution(
      refs.map((ref) => ref.sentences.length),
      1,
    ),
    regionsPerImage: distribution(
      images.map((id) => (regions.get(id)?.boxes.length ?? 4) / 4 - 1),
      1,
    ),
    boxAreaPercent: distribution(
      refs.map((ref, index) => (100 * (areas[index] ?? 0)) / areaOf(regions.get(ref.imageId))),
      5,
    ),
    boxSizes: {small, medium, large: areas.length - small - medium},
    ceiling: ceilingOf(refs, regions),
  }
}

function areaOf(image: ImageBoxes | undefined): number {
  return image === undefined ? NaN : image.width * image.height
}

// The regions that evaluation offers: the global one too, and no more than a hundred.
function ceilingOf(refs: readonly ExpressionRef[], regions: ReadonlyMap<number, ImageBoxes>): Ceiling {
  let reached = 0
  let all = 0
  for (const {imageId, box, sentences} of refs) {
    const boxes = regions.get(imageId)?.boxes ?? new Float32Array()
    all += sentences.length
    if (bestOverlap(boxes, box, mostRegions) > hitAbove) reached += sentences.length
  }
  return {sentences: reached, accuracy: all === 0 ? 0 : reached / all}
}

function categoryStats(
  splits: readonly string[],
  refs: readonly ExpressionRef[],
  categories: Expressions['categories'],
): CategoryStats[] {
  const byCategory = new Map<number, ExpressionRef[]>()
  for (const ref of refs) {
    const own = byCategory.get(ref.categoryId) ?? []
    byCategory.set(ref.categoryId, own)
    own.push(ref)
  }
  const rows = [...byCategory].map(([id, own]): CategoryStats => {
    const counts = splits.map((split) => [split, own.filter((ref) => ref.split === split).length])
    return {
      id,
      name: categories.find((category) => category.id === id)?.name ?? '',
      refs: own.length,
      sentences: own.reduce((sum, ref) => sum + ref.sentences.length, 0),
      refsBySplit: Object.fromEntries(counts) as Record<string, number>,
    }
  })
  return rows.sort((a, b) => b.refs - a.refs || a.id - b.id)
}
