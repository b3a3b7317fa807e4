import {broken} from './byte-source.js'
import type {ByteSource} from './byte-source.js'

/**
 * How a payload lies in the file: as it is (`raw`), as UTF-8 text whose characters are the bytes (`latin1`, what
 * Python 3 writes in old protocols), or copied out of a short text (`inline`).
 */
export type PayloadEncoding = 'raw' | 'latin1' | 'inline'

/** Bytes or a long text of a pickle that stay in the file until somebody wants them. */
export class Payload {
  /** What Python would see: bytes, a Python 2 `str`, or a text too long to be worth a string. */
  readonly kind: 'bytes' | 'python2' | 'text'
  readonly encoding: PayloadEncoding
  /** Place of the stored form in the source. */
  readonly offset: number
  readonly storedBytes: number
  /** Number of bytes after decoding. */
  readonly lengthBytes: number
  readonly #inline: Buffer | undefined

  private constructor(
    kind: Payload['kind'],
    encoding: PayloadEncoding,
    place: {offset: number; storedBytes: number; lengthBytes: number},
    inline?: Buffer,
  ) {
    this.kind = kind
    this.encoding = encoding
    this.offset = place.offset
    this.storedBytes = place.storedBytes
    this.lengthBytes = place.lengthBytes
    this.#inline = inline
  }

  static raw(kind: Payload['kind'], offset: number, lengthBytes: number): Payload {
    return new Payload(kind, 'raw', {offset, storedBytes: lengthBytes, lengthBytes})
  }

  static inline(kind: Payload['kind'], offset: number, bytes: Buffer): Payload {
    const place = {offset, storedBytes: bytes.length, lengthBytes: bytes.length}
    return new Payload(kind, 'inline', place, bytes)
  }

  /** The bytes whose values are the characters of a long text; undefined when a character is above 255. */
  static latin1(source: ByteSource, text: Payload): Payload | undefined {
    const {offset, storedBytes} = text
    const counter = new Latin1Counter()
    for (const piece of storedPieces(source, offset, storedBytes)) counter.add(piece)
    const lengthBytes = counter.finish()
    if (lengthBytes === undefined) return undefined
    const encoding = lengthBytes === storedBytes ? 'raw' : 'latin1'
    return new Payload('bytes', encoding, {offset, storedBytes, lengthBytes})
  }

  /** The decoded bytes in pieces of at most a mebibyte, for files larger than memory. */
  *pieces(source: ByteSource): Generator<Buffer, void, undefined> {
    if (this.#inline !== undefined) {
      yield this.#inline
    } else if (this.encoding === 'raw') {
      yield* storedPieces(source, this.offset, this.storedBytes)
    } else {
      yield* latin1Pieces(storedPieces(source, this.offset, this.storedBytes))
    }
  }

  /** The decoded bytes; a view of the source where that is possible. */
  read(source: ByteSource): Buffer {
    if (this.#inline !== undefined) return this.#inline
    if (this.encoding === 'raw') return source.read(this.offset, this.storedBytes)
    return Buffer.concat([...this.pieces(source)])
  }

  /** A Python 2 `str` or a long text as a string. */
  text(source: ByteSource): string {
    const bytes = this.read(source)
    try {
      return new TextDecoder('utf-8', {fatal: true, ignoreBOM: true}).decode(bytes)
    } catch {
      throw broken(source, 'E_TEXT', 'a text is not UTF-8', this.offset)
    }
  }
}

const pieceBytes = 1 << 20

function* storedPieces(
  source: ByteSource,
  offset: number,
  lengthBytes: number,
): Generator<Buffer, void, undefined> {
  const end = offset + lengthBytes
  for (let at = offset; at < end; at += pieceBytes) yield source.read(at, Math.min(pieceBytes, end - at))
}

/**
 * Counts the characters of UTF-8 that holds none above 255, which means ASCII and two-byte characters that begin with
 * C2 or C3. Without branches on the bytes: those of weights are random, and a gigabyte of them comes through here.
 */
class Latin1Counter {
  #count = 0
  #faults = 0
  #before = 0

  add(piece: Buffer): void {
    let count = this.#count
    let faults = this.#faults
    let before = this.#before
    for (let at = 0; at < piece.length; at++) {
      const byte = piece[at] ?? 0
      const isTail = Number(byte >> 6 === 2)
      const isLead = Number(byte >> 1 === 0x61)
      faults |= isTail ^ Number(before >> 1 === 0x61)
      faults |= (byte >> 7) ^ (isTail | isLead)
      count += 1 - isLead
      before = byte
    }
    this.#count = count
    this.#faults = faults
    this.#before = before
  }

  /** The number of characters; undefined when it was no such text. */
  finish(): number | undefined {
    return this.#faults !== 0 || this.#before >> 1 === 0x61 ? undefined : this.#count
  }
}

// C2 says nothing but "the next byte is one", C3 says "and add 64 to it"; the text was checked when it was counted.
function* latin1Pieces(stored: Iterable<Buffer>): Generator<Buffer, void, undefined> {
  let before = 0
  for (const piece of stored) {
    const decoded = Buffer.allocUnsafe(piece.length)
    let count = 0
    for (let at = 0; at < piece.length; at++) {
      const byte = piece[at] ?? 0
      decoded[count] = byte + (Number(before === 0xc3) << 6)
      count += Number(byte >> 1 !== 0x61)
      before = byte
    }
    yield decoded.subarray(0, count)
  }
}
