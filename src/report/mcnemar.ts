/**
 * McNemar's test, always in its exact form: the two-sided binomial test with p = 1/2 on the sentences that only one of
 * two models gets right. No approximation for many pairs is needed: the terms follow from one another.
 *
 * @param onlyA - sentences that only the first model gets right
 * @param onlyB - sentences that only the second one gets right
 * @returns the chance of a split at least as uneven if both were equally good; 1 where they never differ
 */
export function mcnemar(onlyA: number, onlyB: number): number {
  const total = onlyA + onlyB
  const fewer = Math.min(onlyA, onlyB)
  if (2 * fewer === total) return 1
  let term = Math.exp(logChoose(total, fewer) - total * Math.LN2)
  let tail = 0
  for (let k = fewer; k >= 0 && term > 0; k--) {
    tail += term
    term *= k / (total - k + 1)
  }
  return Math.min(1, 2 * tail)
}

/** Natural logarithm of the binomial coefficient. */
function logChoose(total: number, chosen: number): number {
  let sum = 0
  for (let k = 1; k <= chosen; k++) sum += Math.log((total - chosen + k) / k)
  return sum
}
