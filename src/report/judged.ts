import type {ExpressionRef} from '../data/expressions.js'
import type {Box} from '../data/overlap.js'
import {DataError, printable} from '../errors.js'
import {judge, type Outcome} from './outcome.js'
import {minOverlap, overlap} from './overlap.js'
import type {ResultRow} from './result-rows.js'
import type {World} from './world.js'

/** A sentence, what was meant, and what a model chose. Boxes are in pixels. */
export type Judged = {
  readonly sentId: number
  readonly refId: number
  readonly imageId: number
  readonly categoryId: number
  readonly text: string
  readonly target: Box
  /** Boxes that the model chose from; the first is the whole image. */
  readonly regions: readonly Box[]
  /** IoU of each of them with the target. */
  readonly overlaps: readonly number[]
  /** The chosen region. */
  readonly chosen: number
  /** Regions from the best to the worst logit; null where the result file has no logits. */
  readonly ranking: readonly number[] | null
  readonly logits: readonly number[] | null
  readonly isRight: boolean
  readonly outcome: Outcome
  /** Category of the annotated object on which the chosen box lies; null where it lies on none. */
  readonly chosenCategoryId: number | null
  /** Other annotated objects of the target's category in the image. */
  readonly rivals: number
  /** The target's share of the image's area. */
  readonly areaShare: number
}

/**
 * Joins the rows of a result file with the sentences of a split, and judges each answer. Rows with `sent_id` may be in
 * any order and some may be left out; rows without are taken to be the whole split in data order.
 * @throws DataError if a row does not belong to the data
 */
export function judgeRows(
  world: World,
  split: string,
  rows: readonly ResultRow[],
  file: string,
): readonly Judged[] {
  const sentences = sentencesOf(world, split)
  const bySentId = new Map(sentences.map((sentence) => [sentence.sentId, sentence]))
  const hasIds = rows.every(({sent_id: sentId}) => sentId !== undefined)
  if (!hasIds && rows.length !== sentences.length) {
    throw foreign(
      file,
      `it has ${rows.length} rows without sent_id, the split ${split} ${sentences.length} sentences`,
    )
  }
  if (hasIds && new Set(rows.map(({sent_id: sentId}) => sentId)).size < rows.length) {
    throw foreign(file, 'a sent_id is there twice')
  }
  return rows.map((row, index) => {
    const sentence = row.sent_id === undefined ? sentences[index] : bySentId.get(row.sent_id)
    if (sentence?.ref.imageId !== row.id || (row.ref_id ?? sentence.ref.refId) !== sentence.ref.refId) {
      throw foreign(file, `row ${index} is of no sentence of the split ${split}`)
    }
    return judgeRow(world, sentence, row, `${file}, row ${index}`)
  })
}

type Sentence = {readonly sentId: number; readonly text: string; readonly ref: ExpressionRef}

/** The sentences of a split in data order. */
function sentencesOf(world: World, split: string): readonly Sentence[] {
  return world.refs
    .filter((ref) => ref.split === split)
    .flatMap((ref) => ref.sentences.map(({sentId, text}) => ({sentId, text, ref})))
}

function judgeRow(world: World, {sentId, text, ref}: Sentence, row: ResultRow, place: string): Judged {
  const {refId, annId, imageId, categoryId, box: target} = ref
  const regions = world.regionsOf(imageId)
  const overlaps = regions.map((region) => overlap(region, target))
  const chosen = regions[row.target]
  const own = overlaps[row.target]
  if (chosen === undefined || own === undefined || (row.logits ?? regions).length !== regions.length) {
    throw foreign(place, `image ${imageId} has ${regions.length} regions, others than it was evaluated with`)
  }
  if (Math.abs(own - row.IOU) > 1e-6) {
    throw foreign(place, `region ${row.target} has IoU ${own} with the target, the row says ${row.IOU}`)
  }
  const bestOverlap = Math.max(...overlaps)
  const objects = world.objectsOf(imageId)
  const {outcome, owner} = judge({target, annId, categoryId, chosen, overlap: own, bestOverlap}, objects)
  const image = world.images.get(imageId)
  const [x1, y1, x2, y2] = target
  return {
    ...{sentId, refId, imageId, categoryId, text, target, regions, overlaps, chosen: row.target, outcome},
    logits: row.logits ?? null,
    ranking: row.logits === undefined ? null : rank(row.logits),
    isRight: own > minOverlap,
    chosenCategoryId: owner?.categoryId ?? null,
    rivals: objects.filter((object) => object.categoryId === categoryId && object.annId !== annId).length,
    areaShare: image === undefined ? 0 : ((x2 - x1) * (y2 - y1)) / (image.width * image.height),
  }
}

/** Best first; of equal logits the earlier region, which is also the one that evaluation chooses. */
function rank(logits: readonly number[]): readonly number[] {
  return logits.map((_, region) => region).sort((a, b) => (logits[b] ?? 0) - (logits[a] ?? 0) || a - b)
}

function foreign(place: string, what: string): DataError {
  return new DataError(`${printable(place, 300)} does not belong to these data: ${what}.`, {
    code: 'E_RESULTS',
    next: 'Pass the --data-root and --split that it was evaluated with, or evaluate again.',
  })
}
