import {clusteredInterval} from './bootstrap.js'
import type {Judged} from './judged.js'

/** A share of sentences with the interval in which it would mostly be with other images. */
export type Estimate = {
  readonly count: number
  readonly total: number
  readonly share: number
  /** Bounds of the 95 % interval; null where there are fewer than two images. */
  readonly low: number | null
  readonly high: number | null
}

/** Counts the sentences for which something holds. There must be at least one sentence. */
export function estimate(judged: readonly Judged[], holds: (sentence: Judged) => boolean): Estimate {
  const observations = judged.map((sentence) => ({imageId: sentence.imageId, value: holds(sentence) ? 1 : 0}))
  const count = observations.reduce((sum, {value}) => sum + value, 0)
  const interval = clusteredInterval(observations)
  return {
    count,
    total: judged.length,
    share: count / judged.length,
    low: interval?.low ?? null,
    high: interval?.high ?? null,
  }
}
