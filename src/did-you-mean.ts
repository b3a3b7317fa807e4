/** Finds the known word that a misspelt one most likely meant; undefined when none is near. */
export function didYouMean(word: string, known: readonly string[]): string | undefined {
  const wanted = normalise(word)
  if (wanted.length === 0 || wanted.length > MAX_WORD_LENGTH) return undefined
  let best: {readonly candidate: string; readonly distance: number} | undefined
  for (const candidate of known) {
    const distance = editDistance(wanted, normalise(candidate))
    if (distance < (best?.distance ?? Infinity)) best = {candidate, distance}
  }
  if (best === undefined) return undefined
  return best.distance <= Math.max(1, Math.floor(wanted.length / 3)) ? best.candidate : undefined
}

/** Longer words are not slips of a finger, and the distance costs the product of the lengths. */
const MAX_WORD_LENGTH = 64

/** Case and separators are the commonest slip (`batch_size`, `batch-size`, `batchSize`), so they cost nothing. */
function normalise(word: string): string {
  return word.toLowerCase().replace(/[-_. ]/g, '')
}

/** Counts insertions, deletions, replacements and swapped neighbours, since typing slips are one of these. */
function editDistance(from: string, to: string): number {
  let beforeLast: number[] = []
  let last = Array.from({length: to.length + 1}, (_, column) => column)
  for (let row = 1; row <= from.length; row++) {
    const current = [row]
    for (let column = 1; column <= to.length; column++) {
      const changed = from[row - 1] === to[column - 1] ? 0 : 1
      const swapped = from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]
      current.push(
        Math.min(
          at(last, column) + 1,
          at(current, column - 1) + 1,
          at(last, column - 1) + changed,
          swapped ? at(beforeLast, column - 2) + 1 : Infinity,
        ),
      )
    }
    beforeLast = last
    last = current
  }
  return at(last, to.length)
}

/** A missing cell is never the cheapest one. */
function at(cells: readonly number[], index: number): number {
  return cells[index] ?? Infinity
}
