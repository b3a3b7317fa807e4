/**
 * mulberry32: a generator of 32-bit numbers whose whole state is one, so that any language can repeat a sequence.
 * Gives numbers in [0, 1): the 32 bits divided by 2^32.
 */
export function mulberry32(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
