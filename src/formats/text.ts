const firstSlots = 1 << 8
const mostSlots = 1 << 14
const longestPooledBytes = 24

/**
 * Decodes UTF-8 and keeps recent short words, because annotation files repeat a small vocabulary millions of times
 * and making each string anew takes most of the reading time.
 */
export class TextPool {
  #words: (string | undefined)[] = new Array<string | undefined>(firstSlots)
  #misses = 0
  readonly #utf8 = new TextDecoder('utf-8', {fatal: true, ignoreBOM: true})

  /** The text of `bytes[start, end)`, or undefined when it is not UTF-8. */
  decode(bytes: Buffer, start: number, end: number): string | undefined {
    if (end - start > longestPooledBytes) return this.#decodeAnew(bytes, start, end)
    let hash = end - start
    for (let index = start; index < end; index++) {
      const byte = bytes[index] ?? 0
      if (byte > 127) return this.#decodeAnew(bytes, start, end)
      hash = (Math.imul(hash, 31) + byte) | 0
    }
    const slot = (hash ^ (hash >>> 15)) & (this.#words.length - 1)
    const known = this.#words[slot]
    if (known !== undefined && spells(known, bytes, start, end)) return known
    const text = bytes.toString('latin1', start, end)
    this.#words[slot] = text
    this.#misses++
    if (this.#misses > 2 * this.#words.length && this.#words.length < mostSlots) this.#grow()
    return text
  }

  // Small at first, because every value of an LMDB is a pickle of its own. The words come again by themselves.
  #grow(): void {
    this.#words = new Array<string | undefined>(this.#words.length * 8)
    this.#misses = 0
  }

  #decodeAnew(bytes: Buffer, start: number, end: number): string | undefined {
    try {
      return this.#utf8.decode(bytes.subarray(start, end))
    } catch {
      return undefined
    }
  }
}

/** Whether text holds half of a surrogate pair, which no UTF-8 file can hold. */
export function hasLoneSurrogate(text: string): boolean {
  return /\p{Surrogate}/u.test(text)
}

function spells(word: string, bytes: Buffer, start: number, end: number): boolean {
  if (word.length !== end - start) return false
  for (let index = 0; index < word.length; index++) {
    if (word.charCodeAt(index) !== bytes[start + index]) return false
  }
  return true
}
