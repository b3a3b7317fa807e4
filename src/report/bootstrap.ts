import {mulberry32} from './random.js'

/** How intervals are computed; they are the same wherever these are. */
export const bootstrap = {replicates: 2000, seed: 42, confidence: 0.95} as const

/** Ends of an interval, in the unit of what was observed. */
export type Interval = {readonly low: number; readonly high: number}

/** A number of one sentence, and the image that the sentence is about. */
export type Observation = {readonly imageId: number; readonly value: number}

/**
 * 95 % percentile interval of the mean of `value`, by drawing whole images with replacement: sentences about one
 * image share its proposals and are not independent. Images are numbered in order of first appearance; each replicate
 * draws as many as there are with `mulberry32`, `floor(u * images)`, one generator for all replicates; quantiles
 * interpolate linearly. Null with fewer than two images, where nothing varies.
 */
export function clusteredInterval(observations: readonly Observation[]): Interval | null {
  const {sums, counts} = byImage(observations)
  const images = sums.length
  if (images < 2) return null
  const random = mulberry32(bootstrap.seed)
  const means = new Float64Array(bootstrap.replicates)
  for (let replicate = 0; replicate < means.length; replicate++) {
    let sum = 0
    let count = 0
    for (let drawn = 0; drawn < images; drawn++) {
      const image = Math.floor(random() * images)
      sum += sums[image] ?? 0
      count += counts[image] ?? 0
    }
    means[replicate] = sum / count
  }
  means.sort()
  const tail = (1 - bootstrap.confidence) / 2
  return {low: quantile(means, tail), high: quantile(means, 1 - tail)}
}

/** Sum and number of the values of each image. */
function byImage(observations: readonly Observation[]): {sums: Float64Array; counts: Float64Array} {
  const places = new Map<number, number>()
  for (const {imageId} of observations) if (!places.has(imageId)) places.set(imageId, places.size)
  const sums = new Float64Array(places.size)
  const counts = new Float64Array(places.size)
  for (const {imageId, value} of observations) {
    const place = places.get(imageId) ?? 0
    sums[place] = (sums[place] ?? 0) + value
    counts[place] = (counts[place] ?? 0) + 1
  }
  return {sums, counts}
}

/** Quantile of sorted numbers, linear between neighbours. */
function quantile(sorted: Float64Array, share: number): number {
  const place = (sorted.length - 1) * share
  const below = Math.floor(place)
  const low = sorted[below] ?? 0
  const high = sorted[below + 1] ?? low
  return low + (high - low) * (place - below)
}
