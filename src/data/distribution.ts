/** How a number is distributed; all zero and no bins where there is no value. */
export type Distribution = {
  readonly count: number
  readonly mean: number
  readonly min: number
  /** The lower of the two in the middle where their number is even, so that it is a value that occurs. */
  readonly median: number
  readonly max: number
  /** Bins of equal width, without a gap from the one of the smallest value to the one of the largest. */
  readonly bins: readonly Bin[]
}

/** Values from `from` up to but without `to`. */
export type Bin = {readonly from: number; readonly to: number; readonly count: number}

/** Counts values in bins that begin at multiples of `binWidth`. */
export function distribution(values: readonly number[], binWidth: number): Distribution {
  const sorted = Float64Array.from(values).sort()
  const min = sorted[0]
  const max = sorted.at(-1)
  if (min === undefined || max === undefined) return {count: 0, mean: 0, min: 0, median: 0, max: 0, bins: []}
  const mean = sorted.reduce((sum, value) => sum + value, 0) / sorted.length
  const median = sorted[Math.floor((sorted.length - 1) / 2)] ?? 0
  return {count: sorted.length, mean, min, median, max, bins: binsOf(sorted, min, max, binWidth)}
}

function binsOf(sorted: Float64Array, min: number, max: number, binWidth: number): Bin[] {
  const first = Math.floor(min / binWidth)
  const counts = Array.from({length: Math.floor(max / binWidth) - first + 1}, () => 0)
  for (const value of sorted) {
    const bin = Math.floor(value / binWidth) - first
    counts[bin] = (counts[bin] ?? 0) + 1
  }
  return counts.map((count, bin) => ({
    from: (first + bin) * binWidth,
    to: (first + bin + 1) * binWidth,
    count,
  }))
}
