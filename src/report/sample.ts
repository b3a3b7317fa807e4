import {bootstrap} from './bootstrap.js'
import {mulberry32} from './random.js'

/**
 * Some of `items`, the same ones every time: each group gets as many as any other, as far as it has them. Groups stay
 * in the order given, members in their own.
 */
export function sample<T>(groups: readonly (readonly T[])[], count: number): readonly T[] {
  const random = mulberry32(bootstrap.seed)
  const shares = evenShares(
    groups.map(({length}) => length),
    count,
  )
  return groups.flatMap((group, index) => draw(group, shares[index] ?? 0, random))
}

/** Shares out `count` so that nobody gets more than another who still wants some. */
function evenShares(wanted: readonly number[], count: number): readonly number[] {
  const given = wanted.map(() => 0)
  for (let left = count; left > 0;) {
    const hungry = wanted.flatMap((want, index) => (want > (given[index] ?? 0) ? [index] : []))
    if (hungry.length === 0) break
    for (const index of hungry.slice(0, left)) given[index] = (given[index] ?? 0) + 1
    left -= Math.min(hungry.length, left)
  }
  return given
}

/** Each member with the same chance: take the next one with probability wanted / left (selection sampling). */
function draw<T>(group: readonly T[], count: number, random: () => number): readonly T[] {
  let wanted = count
  return group.filter((_, index) => {
    const isTaken = random() * (group.length - index) < wanted
    if (isTaken) wanted -= 1
    return isTaken
  })
}
