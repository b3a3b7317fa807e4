import {calibrate, type Calibration} from './calibration.js'
import {estimate, type Estimate} from './estimate.js'
import type {Judged} from './judged.js'
import {outcomes, type Outcome} from './outcome.js'
import {minOverlap} from './overlap.js'
import {slice, type Slices} from './slices.js'

/** The figures of one split. */
export type SplitNumbers = {
  readonly split: string
  readonly sentences: number
  readonly refs: number
  readonly images: number
  /** Sentences whose chosen region has IoU > 0.5. */
  readonly accuracy: Estimate
  /** Sentences whose best proposal has IoU > 0.5: what a perfect choice would reach. */
  readonly ceiling: Estimate
  /** Accuracy where there is a right proposal: the choice alone. Null where there never is. */
  readonly choice: Estimate | null
  readonly meanOverlap: number
  /** Sentences with a region of IoU > 0.5 among the first k; null where the result file has no logits. */
  readonly recall: readonly (Estimate & {readonly k: number})[] | null
  /** Share of sentences whose chosen, or best, region has more than this IoU. */
  readonly thresholds: readonly {readonly iou: number; readonly chosen: number; readonly best: number}[]
  /** How the answers ended, see `outcomeTexts`. */
  readonly outcomes: Readonly<Record<Outcome, number>>
  /** Of `otherCategory`, those on nothing annotated. */
  readonly onNothing: number
  readonly slices: Slices
  readonly calibration: Calibration | null
}

const recallAt = [1, 5, 10]
const thresholdCount = 19

/** Computes everything that the report says of a split. There must be at least one sentence. */
export function splitNumbers(
  split: string,
  judged: readonly Judged[],
  categories: ReadonlyMap<number, string>,
): SplitNumbers {
  const reachable = judged.filter(isReachable)
  const chosenOverlaps = judged.map(({overlaps, chosen}) => overlaps[chosen] ?? 0)
  const ended = (outcome: Outcome): readonly Judged[] =>
    judged.filter((sentence) => sentence.outcome === outcome)
  return {
    split,
    sentences: judged.length,
    refs: new Set(judged.map(({refId}) => refId)).size,
    images: new Set(judged.map(({imageId}) => imageId)).size,
    accuracy: estimate(judged, ({isRight}) => isRight),
    ceiling: estimate(judged, isReachable),
    choice: reachable.length === 0 ? null : estimate(reachable, ({isRight}) => isRight),
    meanOverlap: chosenOverlaps.reduce((sum, overlap) => sum + overlap, 0) / judged.length,
    recall: judged.every(({ranking}) => ranking !== null)
      ? recallAt.map((k) => ({k, ...estimate(judged, (sentence) => isFoundWithin(sentence, k))}))
      : null,
    thresholds: thresholds(chosenOverlaps, judged),
    outcomes: {
      right: ended('right').length,
      noProposal: ended('noProposal').length,
      nearMiss: ended('nearMiss').length,
      wrongInstance: ended('wrongInstance').length,
      otherCategory: ended('otherCategory').length,
    } satisfies Record<(typeof outcomes)[number], number>,
    onNothing: ended('otherCategory').filter(({chosenCategoryId}) => chosenCategoryId === null).length,
    slices: slice(judged, categories),
    calibration: calibrate(judged),
  }
}

function isReachable({overlaps}: Judged): boolean {
  return Math.max(...overlaps) > minOverlap
}

function isFoundWithin({ranking, overlaps}: Judged, k: number): boolean {
  return (ranking ?? []).slice(0, k).some((region) => (overlaps[region] ?? 0) > minOverlap)
}

function thresholds(chosen: readonly number[], judged: readonly Judged[]): SplitNumbers['thresholds'] {
  const best = judged.map(({overlaps}) => Math.max(...overlaps))
  const above = (values: readonly number[], iou: number): number =>
    values.filter((value) => value > iou).length / values.length
  return Array.from({length: thresholdCount}, (_, index) => {
    const iou = (index + 1) / (thresholdCount + 1)
    return {iou, chosen: above(chosen, iou), best: above(best, iou)}
  })
}
