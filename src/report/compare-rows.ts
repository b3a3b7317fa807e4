import {DataError} from '../errors.js'
import {clusteredInterval} from './bootstrap.js'
import {estimate, type Estimate} from './estimate.js'
import type {Judged} from './judged.js'
import {mcnemar} from './mcnemar.js'

/** A sentence that both models answered. */
export type Pair = {readonly a: Judged; readonly b: Judged}

/** A sentence that only one of two models gets right. */
export type Change = {
  readonly sentId: number
  readonly refId: number
  readonly imageId: number
  readonly text: string
  /** Whether B is the one that is right. */
  readonly gained: boolean
  /** IoU of the chosen box with the target. */
  readonly overlapA: number
  readonly overlapB: number
}

/** Two models on the same sentences of a split. */
export type PairedNumbers = {
  readonly split: string
  readonly sentences: number
  readonly images: number
  /** Sentences that only one of the two was asked: they are left out. */
  readonly unpaired: number
  readonly a: Estimate
  readonly b: Estimate
  /** Accuracy of B less that of A, with its 95 % interval; null bounds where there are fewer than two images. */
  readonly difference: {readonly value: number; readonly low: number | null; readonly high: number | null}
  readonly bothRight: number
  readonly onlyA: number
  readonly onlyB: number
  readonly bothWrong: number
  /** Exact two-sided McNemar test. */
  readonly mcnemarP: number
  readonly changes: readonly Change[]
}

/** Pairs the answers to the same sentences. @throws DataError if they have none in common */
export function pair(a: readonly Judged[], b: readonly Judged[]): readonly Pair[] {
  const ofB = new Map(b.map((sentence) => [sentence.sentId, sentence]))
  const pairs = a.flatMap((own) => {
    const other = ofB.get(own.sentId)
    return other === undefined ? [] : [{a: own, b: other}]
  })
  if (pairs.length > 0) return pairs
  throw new DataError('The two result files have no sentence in common.', {code: 'E_RESULTS'})
}

/** Computes the figures of two models on paired sentences; `answered` counts the sentences of each. */
export function comparePairs(
  split: string,
  pairs: readonly Pair[],
  answered: {readonly a: number; readonly b: number},
): PairedNumbers {
  const count = (holds: (pair: Pair) => boolean): number => pairs.filter(holds).length
  const differences = pairs.map(({a, b}) => ({
    imageId: a.imageId,
    value: Number(b.isRight) - Number(a.isRight),
  }))
  const interval = clusteredInterval(differences)
  const onlyA = count(({a, b}) => a.isRight && !b.isRight)
  const onlyB = count(({a, b}) => !a.isRight && b.isRight)
  return {
    split,
    sentences: pairs.length,
    images: new Set(pairs.map(({a}) => a.imageId)).size,
    unpaired: answered.a + answered.b - 2 * pairs.length,
    a: estimate(
      pairs.map(({a}) => a),
      ({isRight}) => isRight,
    ),
    b: estimate(
      pairs.map(({b}) => b),
      ({isRight}) => isRight,
    ),
    difference: {
      value: (onlyB - onlyA) / pairs.length,
      low: interval?.low ?? null,
      high: interval?.high ?? null,
    },
    bothRight: count(({a, b}) => a.isRight && b.isRight),
    onlyA,
    onlyB,
    bothWrong: count(({a, b}) => !a.isRight && !b.isRight),
    mcnemarP: mcnemar(onlyA, onlyB),
    changes: pairs.filter(({a, b}) => a.isRight !== b.isRight).map(changeOf),
  }
}

function changeOf({a, b}: Pair): Change {
  const {sentId, refId, imageId, text} = a
  return {
    ...{sentId, refId, imageId, text},
    gained: b.isRight,
    overlapA: a.overlaps[a.chosen] ?? 0,
    overlapB: b.overlaps[b.chosen] ?? 0,
  }
}
