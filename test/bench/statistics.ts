/** The middle value; of an even number of values the upper of the two in the middle. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN
}

/** Runs some work and tells how long it took, and the longest time for which the event loop stood still. */
export async function timeWork(work: () => Promise<void>): Promise<{tookMs: number; stallMs: number}> {
  let stallMs = 0
  let lastMs = performance.now()
  const look = (): void => {
    const nowMs = performance.now()
    stallMs = Math.max(stallMs, nowMs - lastMs)
    lastMs = nowMs
  }
  const timer = setInterval(look, 1)
  const start = performance.now()
  await work()
  const tookMs = performance.now() - start
  look()
  clearInterval(timer)
  return {tookMs, stallMs}
}
