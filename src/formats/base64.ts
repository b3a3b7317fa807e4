/**
 * Decodes float32 numbers from base64, straight from the bytes of the text: Node's decoder wants a string, and making
 * one takes longer than decoding. Four characters are two looks into tables of all pairs of characters.
 */
export class FloatDecoder {
  readonly #firsts = pairTable((bits) => (bits >> 4) | ((bits & 0xf) << 12))
  readonly #seconds = pairTable((bits) => (bits & 0xf00) | ((bits & 0xff) << 16))
  #aligned: Uint8Array = new Uint8Array()

  /**
   * Exactly `count` little-endian float32 numbers; undefined when the text is anything else than their base64.
   * They are put into `into` where that is given and large enough.
   */
  decode(encoded: Buffer, count: number, into?: Float32Array): Float32Array | undefined {
    const wantedBytes = count * Float32Array.BYTES_PER_ELEMENT
    if (encoded.length !== Math.ceil(wantedBytes / 3) * 4) return undefined
    const floats =
      into !== undefined && into.length >= count ? into.subarray(0, count) : new Float32Array(count)
    const blocks = Math.floor(wantedBytes / blockBytes)
    const words = new Uint32Array(floats.buffer, floats.byteOffset, count)
    if (!this.#decodeBlocks(this.#pairsOf(encoded, blocks), words)) return undefined
    const bytes = Buffer.from(floats.buffer, floats.byteOffset, wantedBytes)
    return decodeRest(encoded, blocks, bytes) ? floats : undefined
  }

  // Sixteen characters are twelve bytes, three words.
  #decodeBlocks(pairs: Uint16Array, words: Uint32Array): boolean {
    const firsts = this.#firsts
    const seconds = this.#seconds
    let seen = 0
    for (let from = 0, to = 0; from < pairs.length; from += 8, to += 3) {
      const a = (firsts[pairs[from] ?? 0] ?? 0) | (seconds[pairs[from + 1] ?? 0] ?? 0)
      const b = (firsts[pairs[from + 2] ?? 0] ?? 0) | (seconds[pairs[from + 3] ?? 0] ?? 0)
      const c = (firsts[pairs[from + 4] ?? 0] ?? 0) | (seconds[pairs[from + 5] ?? 0] ?? 0)
      const d = (firsts[pairs[from + 6] ?? 0] ?? 0) | (seconds[pairs[from + 7] ?? 0] ?? 0)
      seen |= a | b | c | d
      words[to] = a | (b << 24)
      words[to + 1] = (b >>> 8) | (c << 16)
      words[to + 2] = (c >>> 16) | (d << 8)
    }
    return (seen & notBase64) === 0
  }

  #pairsOf(encoded: Buffer, blocks: number): Uint16Array {
    const pairs = blocks * (blockCharacters / 2)
    if (encoded.byteOffset % 2 === 0) return new Uint16Array(encoded.buffer, encoded.byteOffset, pairs)
    const used = blocks * blockCharacters
    if (this.#aligned.length < used) this.#aligned = new Uint8Array(used)
    this.#aligned.set(encoded.subarray(0, used))
    return new Uint16Array(this.#aligned.buffer, 0, pairs)
  }
}

const blockCharacters = 16
const blockBytes = 12
/** A bit that no three bytes have. */
const notBase64 = 1 << 24
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

// By the two characters as a little-endian number: what their twelve bits, in the file's order, are of three bytes.
function pairTable(place: (bits: number) => number): Uint32Array {
  const table = new Uint32Array(1 << 16).fill(notBase64)
  for (let first = 0; first < 64; first++) {
    for (let second = 0; second < 64; second++) {
      const pair = alphabet.charCodeAt(first) | (alphabet.charCodeAt(second) << 8)
      table[pair] = place((first << 6) | second)
    }
  }
  return table
}

// At most eleven bytes: Node's decoder does, which leaves out what is not base64 and knows another alphabet as well.
function decodeRest(encoded: Buffer, blocks: number, bytes: Buffer): boolean {
  const text = encoded.toString('latin1', blocks * blockCharacters)
  const rest = bytes.subarray(blocks * blockBytes)
  if (text.length === 0) return rest.length === 0
  return /^[A-Za-z0-9+/]*={0,2}$/.test(text) && rest.write(text, 'base64') === rest.length
}
