import {broken} from './byte-source.js'
import type {ByteSource} from './byte-source.js'
import type {FormatError} from '../errors.js'

const largestWindowBytes = 1 << 20
const largestLineBytes = 64 << 20
const mostShortBytes = 32
const newline = 0x0a

/**
 * A cursor over a source. It holds a window that grows while reading goes straight on and starts small again after a
 * jump, so a file of small values is read in few calls and one of large payloads without reading the payloads.
 * Every method checks that its bytes exist before anything is allocated.
 */
export class ByteReader {
  readonly source: ByteSource
  readonly end: number
  #window: Buffer = Buffer.alloc(0)
  #windowStart: number
  #index = 0
  #lineEnd = 0
  #readAheadBytes: number

  constructor(source: ByteSource, start = 0, end = source.sizeBytes) {
    this.source = source
    this.end = end
    this.#windowStart = start
    this.#readAheadBytes = source.windowBytes
  }

  get position(): number {
    return this.#windowStart + this.#index
  }

  get leftBytes(): number {
    return this.end - this.position
  }

  /** The window itself, for readers that look at bytes one by one; `take` says where. */
  get window(): Buffer {
    return this.#window
  }

  /** Consumes bytes and answers their place in `window`. */
  take(lengthBytes: number): number {
    if (this.#index + lengthBytes > this.#window.length) this.#refill(lengthBytes)
    const start = this.#index
    this.#index = start + lengthBytes
    return start
  }

  /** Gives back bytes that the last `take` consumed. */
  rewind(lengthBytes: number): void {
    this.#index -= lengthBytes
  }

  /** Consumes bytes without reading them and answers their place in the source. */
  skip(lengthBytes: number): number {
    const start = this.position
    if (this.#index + lengthBytes <= this.#window.length) {
      this.#index += lengthBytes
    } else {
      this.#check(lengthBytes)
      this.#windowStart = start + lengthBytes
      this.#window = Buffer.alloc(0)
      this.#index = 0
      this.#readAheadBytes = this.source.windowBytes
    }
    return start
  }

  u8(): number {
    const at = this.take(1)
    return this.#window[at] ?? 0
  }

  u16(): number {
    const at = this.take(2)
    return this.#window.readUInt16LE(at)
  }

  u32(): number {
    const at = this.take(4)
    return this.#window.readUInt32LE(at)
  }

  i32(): number {
    const at = this.take(4)
    return this.#window.readInt32LE(at)
  }

  /** An unsigned length of eight bytes; one above 2^53 cannot be in any file and reads as truncation. */
  u64(): number {
    const at = this.take(8)
    const value = this.#window.readBigUInt64LE(at)
    return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(value)
  }

  f64BigEndian(): number {
    const at = this.take(8)
    return this.#window.readDoubleBE(at)
  }

  /** A view of the next line without its newline, which is consumed too. */
  line(): Buffer {
    const start = this.takeLine()
    return this.#window.subarray(start, this.#lineEnd)
  }

  /** Consumes a line and its newline, and answers where it begins in `window`; `lineEnd` says where it ends. */
  takeLine(): number {
    let searched = 0
    for (;;) {
      const end = newlineFrom(this.#window, this.#index + searched)
      if (end !== -1) {
        const start = this.#index
        this.#lineEnd = end
        this.#index = end + 1
        return start
      }
      searched = this.#window.length - this.#index
      if (searched >= this.leftBytes) throw this.fail('E_TRUNCATED', 'the file ends inside a line')
      if (searched > largestLineBytes) throw this.fail('E_LIMIT', 'a line is too long')
      this.#refill(Math.min(this.leftBytes, Math.max(256, searched * 4)))
    }
  }

  /** The place of the newline of the last line in `window`. */
  get lineEnd(): number {
    return this.#lineEnd
  }

  fail(code: string, what: string, offset = this.position): FormatError {
    return broken(this.source, code, what, offset)
  }

  #refill(lengthBytes: number): void {
    this.#check(lengthBytes)
    const start = this.position
    const length = Math.min(this.leftBytes, Math.max(lengthBytes, this.#readAheadBytes))
    this.#window = this.source.read(start, length)
    this.#windowStart = start
    this.#index = 0
    this.#readAheadBytes = Math.min(largestWindowBytes, Math.max(this.#readAheadBytes, length) * 2)
  }

  #check(lengthBytes: number): void {
    if (lengthBytes <= this.leftBytes) return
    const left = `${this.leftBytes} ${this.leftBytes === 1 ? 'is' : 'are'} left`
    const wanted = lengthBytes === Number.MAX_SAFE_INTEGER ? 'more than 2^53' : String(lengthBytes)
    throw this.fail('E_TRUNCATED', `the file is cut off or damaged: ${wanted} bytes are wanted, ${left}`)
  }
}

// Most lines are short: looking takes less than calling out of JavaScript.
function newlineFrom(bytes: Buffer, start: number): number {
  const near = Math.min(bytes.length, start + mostShortBytes)
  for (let at = start; at < near; at++) if (bytes[at] === newline) return at
  return bytes.indexOf(newline, near)
}
