import {printable} from '../errors.js'
import {broken} from './byte-source.js'
import type {FormatError} from '../errors.js'
import type {ByteSource} from './byte-source.js'
import {hasLoneSurrogate, TextPool} from './text.js'

export type JsonValue = null | boolean | number | string | JsonValue[] | JsonObject

/** Keys in file order, each once; a Map, so that a key such as `__proto__` is like any other. */
export type JsonObject = Map<string, JsonValue>

export type JsonOptions = {
  /** Code of a fault of syntax. @default 'E_JSON' */
  readonly syntaxCode?: string
  /** Code of a key that is there twice. @default 'E_JSON_DUP' */
  readonly duplicateCode?: string
  /** @default 32 */
  readonly deepest?: number
  /** Makes a number that is not written as an integer NaN, where `2.0` must not pass for `2`. @default false */
  readonly integersOnly?: boolean
  /** The keys that objects keep, at any depth; what others hold is checked and forgotten. @default all */
  readonly keptKeys?: ReadonlySet<string>
  /** Keys whose value is forgotten, too, if it is an array. */
  readonly skippedArrays?: ReadonlySet<string>
  /** Where the text begins in the source, for messages. @default 0 */
  readonly start?: number
}

/**
 * Parses JSON as RFC 8259 has it and no more: UTF-8, no NaN, no comments, no key twice, nothing behind.
 * `JSON.parse` keeps the last of equal keys in silence and takes any depth.
 * @throws FormatError with the byte offset
 */
export function parseJson(source: ByteSource, bytes: Buffer, options: JsonOptions = {}): JsonValue {
  return new JsonParser(source, bytes, options).parse()
}

const space = 0x20
const minus = 0x2d
const point = 0x2e
const zero = 0x30
const quote = 0x22
const backslash = 0x5c
const comma = 0x2c
const colon = 0x3a
const openArray = 0x5b
const closeArray = 0x5d
const openObject = 0x7b
const closeObject = 0x7d
const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf])

class JsonParser {
  readonly #source: ByteSource
  readonly #bytes: Buffer
  readonly #options: JsonOptions
  readonly #deepest: number
  readonly #pool = new TextPool()
  #at = 0
  #containersLeft: number

  constructor(source: ByteSource, bytes: Buffer, options: JsonOptions) {
    this.#source = source
    this.#bytes = bytes
    this.#options = options
    this.#deepest = options.deepest ?? 32
    this.#containersLeft = 10_000 + bytes.length / 8
  }

  parse(): JsonValue {
    if (this.#bytes.subarray(0, 3).equals(byteOrderMark))
      throw this.#fail('the file begins with a byte order mark')
    this.#skipSpace()
    if (this.#bytes[this.#at] === 0x3c) {
      throw broken(this.#source, 'E_FORMAT_HTML', 'this is a web page and not JSON, so its download failed')
    }
    const value = this.#value(0, true)
    this.#skipSpace()
    if (this.#at !== this.#bytes.length) throw this.#fail('something follows the end of the document')
    return value
  }

  #value(depth: number, keep: boolean): JsonValue {
    this.#skipSpace()
    switch (this.#bytes[this.#at]) {
      case openObject:
        return this.#object(this.#deeper(depth), keep)
      case openArray:
        return this.#array(this.#deeper(depth), keep)
      case quote:
        return this.#string(keep)
      case 0x74:
        return this.#word('true', true)
      case 0x66:
        return this.#word('false', false)
      case 0x6e:
        return this.#word('null', null)
      default:
        return this.#number()
    }
  }

  #object(depth: number, keep: boolean): JsonObject {
    const {keptKeys, skippedArrays} = this.#options
    const object: JsonObject = new Map<string, JsonValue>()
    let forgotten: Set<string> | undefined
    this.#at++
    if (this.#closes(closeObject)) return object
    for (;;) {
      this.#skipSpace()
      if (this.#bytes[this.#at] !== quote) throw this.#fail('a key in quotes is expected')
      const key = this.#string(true)
      if (object.has(key) || forgotten?.has(key) === true) {
        throw this.#fail(
          `the key "${printable(key)}" is there twice`,
          this.#options.duplicateCode ?? 'E_JSON_DUP',
        )
      }
      this.#skipSpace()
      if (this.#bytes[this.#at++] !== colon) throw this.#fail(`a colon is missing after "${printable(key)}"`)
      this.#skipSpace()
      const isSkipped = this.#bytes[this.#at] === openArray && skippedArrays?.has(key) === true
      const value = this.#value(depth, keep && !isSkipped)
      if (keep && !isSkipped && keptKeys?.has(key) !== false) object.set(key, value)
      else if (keep) (forgotten ??= new Set()).add(key)
      if (this.#closes(closeObject)) return object
      this.#expectComma()
    }
  }

  #array(depth: number, keep: boolean): JsonValue[] {
    const array: JsonValue[] = []
    this.#at++
    if (this.#closes(closeArray)) return array
    for (;;) {
      if (!keep) this.#at = pastPlainNumbers(this.#bytes, this.#at)
      const value = this.#value(depth, keep)
      if (keep) array.push(value)
      // Room for 17 is made by the first push, and most arrays have four.
      if (this.#closes(closeArray)) return array.slice()
      this.#expectComma()
    }
  }

  #string(keep: boolean): string {
    const start = this.#at + 1
    let hasEscape = false
    for (let at = start; ; at++) {
      const byte = this.#bytes[at]
      if (byte === undefined) throw this.#fail('the file ends inside a string')
      if (byte < 32) throw this.#fail('a string holds a control character', undefined, at)
      if (byte === backslash) {
        hasEscape = true
        at++
      } else if (byte === quote) {
        this.#at = at + 1
        return keep || hasEscape ? this.#text(start, at, hasEscape) : ''
      }
    }
  }

  #text(start: number, end: number, hasEscape: boolean): string {
    const text = this.#pool.decode(this.#bytes, start, end)
    if (text === undefined) throw this.#fail('a string is not UTF-8', undefined, start)
    if (!hasEscape) return text
    const decoded = text.replace(/\\(?:u([0-9a-fA-F]{4})|([^]))/g, (_, hex?: string, letter?: string) => {
      if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16))
      const plain = letter === undefined ? undefined : escapes.get(letter)
      if (plain === undefined) throw this.#fail('a string holds an unknown escape', undefined, start)
      return plain
    })
    if (hasLoneSurrogate(decoded)) throw this.#fail('a string holds half of a character', 'E_TEXT', start)
    return decoded
  }

  // Up to 15 digits the value is exact as an integer, and so is a power of ten up to 22: one division rounds right.
  #number(): number {
    const start = this.#at
    const isNegative = this.#bytes[start] === minus
    if (isNegative) this.#at++
    let digits = this.#digits(0)
    const wholeDigits = this.#count
    if (wholeDigits > 1 && this.#bytes[this.#at - wholeDigits] === zero)
      throw this.#fail('a number begins with 0')
    let isInteger = true
    let decimals = 0
    if (this.#bytes[this.#at] === point) {
      this.#at++
      digits = this.#digits(digits)
      decimals = this.#count
      isInteger = false
    }
    let hasExponent = false
    if ((this.#bytes[this.#at] ?? 0) === 0x65 || this.#bytes[this.#at] === 0x45) {
      this.#at++
      if (this.#bytes[this.#at] === 0x2b || this.#bytes[this.#at] === 0x2d) this.#at++
      this.#digits(0)
      hasExponent = true
      isInteger = false
    }
    const isExact = !hasExponent && wholeDigits + decimals <= 15
    const size = isExact
      ? digits / (powersOfTen[decimals] ?? NaN)
      : this.#slowNumber(isNegative ? start + 1 : start)
    if (this.#options.integersOnly === true && (!isInteger || (isNegative && size === 0))) return NaN
    return isNegative ? -size : size
  }

  #count = 0

  // Goes on from `value`; leaves the number of digits in #count, which spares an object for each number.
  #digits(value: number): number {
    const start = this.#at
    for (;;) {
      const digit = (this.#bytes[this.#at] ?? 0) - zero
      if (!(digit >= 0 && digit <= 9)) break
      value = value * 10 + digit
      this.#at++
    }
    this.#count = this.#at - start
    if (this.#count === 0) throw this.#fail('a value is expected')
    return value
  }

  #slowNumber(start: number): number {
    if (this.#at - start > 400) throw this.#fail('a number is too long', undefined, start)
    const value = Number(this.#bytes.toString('latin1', start, this.#at))
    if (!Number.isFinite(value)) throw this.#fail('a number is too large', undefined, start)
    return value
  }

  #word<T>(word: string, value: T): T {
    const end = this.#at + word.length
    if (this.#bytes.toString('latin1', this.#at, end) !== word) throw this.#fail('a value is expected')
    this.#at = end
    return value
  }

  #closes(byte: number): boolean {
    this.#skipSpace()
    if (this.#bytes[this.#at] !== byte) return false
    this.#at++
    return true
  }

  #expectComma(): void {
    if (this.#bytes[this.#at] !== comma) {
      throw this.#fail(this.#at >= this.#bytes.length ? 'the file ends early' : 'a comma is missing')
    }
    this.#at++
  }

  #skipSpace(): void {
    for (;;) {
      const byte = this.#bytes[this.#at]
      if (byte !== 32 && byte !== 10 && byte !== 13 && byte !== 9) return
      this.#at++
    }
  }

  // An empty object takes 2 bytes here and a hundred in memory; no real file holds so many.
  #deeper(depth: number): number {
    if (--this.#containersLeft < 0)
      throw this.#fail('the document holds too many lists and objects', 'E_LIMIT')
    if (depth < this.#deepest) return depth + 1
    throw this.#fail(`the document nests deeper than ${this.#deepest}`, 'E_LIMIT')
  }

  #fail(what: string, code = this.#options.syntaxCode ?? 'E_JSON', at = this.#at): FormatError {
    return broken(this.#source, code, what, (this.#options.start ?? 0) + at)
  }
}

const powersOfTen = Array.from({length: 16}, (_, power) => 10 ** power)
const mostPlainCharacters = 15

/**
 * The place behind plain numbers that each have a comma behind them. Outlines are two thirds of an annotation file, and
 * nobody wants their values here; what is not plain and right is left to the parser.
 */
function pastPlainNumbers(bytes: Buffer, start: number): number {
  let passed = start
  for (let at = start; ; passed = at) {
    while (bytes[at] === space) at++
    if (bytes[at] === minus) at++
    const first = at
    while (isDigit(bytes[at])) at++
    if (at === first || (bytes[first] === zero && at > first + 1)) return passed
    if (bytes[at] === point) {
      const fraction = ++at
      while (isDigit(bytes[at])) at++
      if (at === fraction) return passed
    }
    if (bytes[at] !== comma || at - first > mostPlainCharacters) return passed
    at++
  }
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= zero && byte < zero + 10
}

const escapes = new Map([
  ['"', '"'],
  ['\\', '\\'],
  ['/', '/'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
])
