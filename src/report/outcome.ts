import type {Box} from '../data/overlap.js'
import {minOverlap, overlap} from './overlap.js'
import type {AnnotatedObject} from './world.js'

/** How an answer can end; exactly one applies, the first in this order. */
export const outcomes = ['right', 'noProposal', 'nearMiss', 'wrongInstance', 'otherCategory'] as const

export type Outcome = (typeof outcomes)[number]

/** In words, and what exactly it means; both stand on the page. */
export const outcomeTexts: Readonly<Record<Outcome, {readonly name: string; readonly meaning: string}>> = {
  right: {name: 'right', meaning: 'the chosen box has IoU > 0.5 with the target'},
  noProposal: {
    name: 'no proposal',
    meaning: 'no proposal has IoU > 0.5 with the target, so that no choice could have been right',
  },
  nearMiss: {
    name: 'near miss',
    meaning: 'of all annotated objects, the chosen box overlaps the target most (IoU ≥ 0.1), but not enough',
  },
  wrongInstance: {
    name: 'same category, wrong instance',
    meaning: 'the chosen box overlaps another object of the target’s category most (IoU ≥ 0.1)',
  },
  otherCategory: {
    name: 'other category',
    meaning:
      'the chosen box overlaps an object of another category most (IoU ≥ 0.1), or lies on nothing annotated',
  },
}

/** Boxes that overlap every annotated object less lie on nothing. */
const minOwnerOverlap = 0.1

export type Choice = {
  /** The box that is meant, and its annotation. */
  readonly target: Box
  readonly annId: number
  readonly categoryId: number
  readonly chosen: Box
  /** IoU of the chosen box with the target. */
  readonly overlap: number
  /** IoU of the best proposal with the target. */
  readonly bestOverlap: number
}

/** Says how an answer ended, and the object on which the chosen box lies; null where that is none. */
export function judge(
  choice: Choice,
  objects: readonly AnnotatedObject[],
): {readonly outcome: Outcome; readonly owner: AnnotatedObject | null} {
  const owner = ownerOf(choice, objects)
  const outcome = (): Outcome => {
    if (choice.overlap > minOverlap) return 'right'
    if (!(choice.bestOverlap > minOverlap)) return 'noProposal'
    if (owner?.annId === choice.annId) return 'nearMiss'
    return owner?.categoryId === choice.categoryId ? 'wrongInstance' : 'otherCategory'
  }
  return {outcome: outcome(), owner}
}

/** The annotated object that the chosen box overlaps most; the target where it is among the best. */
function ownerOf(
  {annId, chosen, target, categoryId, overlap: own}: Choice,
  objects: readonly AnnotatedObject[],
): AnnotatedObject | null {
  let owner: AnnotatedObject = {annId, categoryId, box: target}
  let most = own
  for (const object of objects) {
    const common = object.annId === annId ? own : overlap(chosen, object.box)
    if (common > most) [owner, most] = [object, common]
  }
  return most >= minOwnerOverlap ? owner : null
}
