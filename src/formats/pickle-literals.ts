import type {PickleMachine} from './pickle.js'
import {Payload} from './payload.js'
import type {PickleValue} from './pickle-values.js'
import {hasLoneSurrogate} from './text.js'

/** Texts up to this length become strings; longer ones stay in the file. */
const longestStringBytes = 4096

export function line(machine: PickleMachine): string {
  return shortText(machine, machine.reader.line())
}

function shortText(machine: PickleMachine, view: Buffer): string {
  if (view.length > longestStringBytes) throw machine.fail('E_LIMIT', 'a name or number is too long')
  return view.toString('latin1')
}

export function decimalIndex(machine: PickleMachine): number {
  const {reader} = machine
  const start = reader.takeLine()
  const end = reader.lineEnd
  const value =
    smallNumber(reader.window, start, end) ??
    integer(machine, shortText(machine, reader.window.subarray(start, end)))
  if (typeof value === 'bigint' || value < 0)
    throw machine.fail('E_LIMIT', `memo index ${value} is out of range`)
  return value
}

/** Protocol 0 writes booleans as the numbers 01 and 00, and long integers with an L behind. */
export function decimal(machine: PickleMachine): PickleValue {
  const {reader} = machine
  const start = reader.takeLine()
  const end = reader.lineEnd
  const small = reader.window[start] === zero ? undefined : smallNumber(reader.window, start, end)
  if (small !== undefined) return small
  const digits = shortText(machine, reader.window.subarray(start, end))
  if (digits === '01' || digits === '00') return digits === '01'
  return integer(machine, digits.endsWith('L') ? digits.slice(0, -1) : digits)
}

const zero = 0x30

// Nearly half of the lines of a protocol 0 file are short numbers, and strings of them are only made to be thrown away.
function smallNumber(bytes: Buffer, start: number, end: number): number | undefined {
  if (end === start || end - start > 15) return undefined
  let value = 0
  for (let at = start; at < end; at++) {
    const digit = (bytes[at] ?? 0) - zero
    if (digit < 0 || digit > 9) return undefined
    value = 10 * value + digit
  }
  return value
}

function integer(machine: PickleMachine, digits: string): number | bigint {
  if (!/^[+-]?[0-9]+$/.test(digits))
    throw machine.fail('E_OPCODE', 'a number has characters other than digits')
  if (digits.length > 20) throw machine.fail('E_LIMIT', `an integer has ${digits.length} digits`)
  const value = Number(digits)
  return Number.isSafeInteger(value) ? value : BigInt(digits.startsWith('+') ? digits.slice(1) : digits)
}

export function signedLength(machine: PickleMachine): number {
  const lengthBytes = machine.reader.i32()
  if (lengthBytes < 0) throw machine.fail('E_LIMIT', `a length is negative (${lengthBytes})`)
  return lengthBytes
}

/** Nine bytes hold every unsigned 64-bit number; ten are PyTorch's magic number at the start of its old files. */
export function longNumber(machine: PickleMachine, lengthBytes: number): void {
  const allowed = machine.options.persistentLoad === undefined ? 9 : 10
  if (lengthBytes > allowed) throw machine.fail('E_LIMIT', `an integer has ${lengthBytes} bytes`)
  const start = machine.reader.take(lengthBytes)
  const {window} = machine.reader
  let value = 0n
  for (let at = lengthBytes - 1; at >= 0; at--) value = (value << 8n) | BigInt(window[start + at] ?? 0)
  value = BigInt.asIntN(8 * lengthBytes, value)
  const small = Number(value)
  machine.push(Number.isSafeInteger(small) ? small : value)
}

export function decimalFraction(machine: PickleMachine): number {
  const digits = line(machine)
  if (!/^[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|inf|nan)$/.test(digits)) {
    throw machine.fail('E_OPCODE', 'a decimal number is not one')
  }
  if (digits.endsWith('nan')) return NaN
  return Number(digits.replace('inf', 'Infinity'))
}

export function text(machine: PickleMachine, lengthBytes: number): void {
  const {reader, pool} = machine
  if (lengthBytes > longestStringBytes) {
    machine.push(Payload.raw('text', reader.skip(lengthBytes), lengthBytes))
    return
  }
  const start = reader.take(lengthBytes)
  const decoded = pool.decode(reader.window, start, start + lengthBytes)
  if (decoded === undefined)
    throw machine.fail('E_TEXT', 'a text is not UTF-8', reader.position - lengthBytes)
  machine.push(decoded)
}

const backslash = 0x5c

/** Protocol 0: Latin-1 with \uXXXX and \UXXXXXXXX; other backslashes stand for themselves. */
export function escapedText(machine: PickleMachine): string {
  const {reader, pool} = machine
  const start = reader.takeLine()
  const {window, lineEnd: end} = reader
  // As many characters as bytes: all are ASCII, which needs no decoding, and the same words come again and again.
  const isPlain = end - start <= longestStringBytes && !hasBackslash(window, start, end)
  const plain = isPlain ? pool.decode(window, start, end) : undefined
  if (plain?.length === end - start) return plain
  const stored = window.toString('latin1', start, end)
  const decoded = stored.replace(
    /\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|[^])/g,
    (whole, short?: string, long?: string) => {
      const point = Number.parseInt(short ?? long ?? '', 16)
      return !(point <= 0x10ffff) ? whole : String.fromCodePoint(point)
    },
  )
  if (hasLoneSurrogate(decoded)) throw machine.fail('E_TEXT', 'a text holds half of a character')
  return decoded
}

function hasBackslash(window: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (window[at] === backslash) return true
  return false
}

export function bytes(machine: PickleMachine, lengthBytes: number): void {
  machine.push(Payload.raw('bytes', machine.reader.skip(lengthBytes), lengthBytes))
}

export function python2String(machine: PickleMachine, lengthBytes: number): void {
  const {reader, options} = machine
  if (options.python2Strings !== 'text' || lengthBytes > longestStringBytes) {
    machine.push(Payload.raw('python2', reader.skip(lengthBytes), lengthBytes))
    return
  }
  const start = reader.take(lengthBytes)
  machine.push(python2Text(machine, reader.window, start, start + lengthBytes))
}

// Written by Python 2 without saying in which encoding: UTF-8 if it can be, else Latin-1, which always can.
function python2Text(machine: PickleMachine, window: Buffer, start: number, end: number): string {
  return machine.pool.decode(window, start, end) ?? window.toString('latin1', start, end)
}

export function quotedString(machine: PickleMachine): void {
  const start = machine.reader.position
  const quoted = machine.reader.line()
  if (quoted.at(-1) === 13) {
    throw machine.fail('E_TEXT', 'line ends are CR LF, so the file was damaged by a text-mode transfer')
  }
  const quote = quoted[0]
  if (quoted.length < 2 || (quote !== 39 && quote !== 34) || quoted.at(-1) !== quote) {
    throw machine.fail('E_OPCODE', 'a string is not in quotes', start)
  }
  const inner = quoted.subarray(1, -1)
  const plain = inner.includes(92) ? unescape(machine, inner) : inner
  if (machine.options.python2Strings === 'text' && plain.length <= longestStringBytes) {
    machine.push(python2Text(machine, plain, 0, plain.length))
  } else if (plain === inner) {
    machine.push(Payload.raw('python2', start + 1, inner.length))
  } else {
    machine.push(Payload.inline('python2', start + 1, plain))
  }
}

const escapes: Readonly<Record<string, number>> = {
  n: 10,
  t: 9,
  r: 13,
  '\\': 92,
  "'": 39,
  '"': 34,
  a: 7,
  b: 8,
  f: 12,
  v: 11,
}

// The escapes that Python 2's repr() of a str makes.
function unescape(machine: PickleMachine, inner: Buffer): Buffer {
  const wrong = (): Error => machine.fail('E_TEXT', 'a string has an escape that Python does not write')
  const plain = inner
    .toString('latin1')
    .replace(/\\(?:x([0-9a-fA-F]{2})|([^])|$)/g, (_, hex?: string, letter?: string) => {
      const code = hex === undefined ? escapes[letter ?? ''] : Number.parseInt(hex, 16)
      if (code === undefined) throw wrong()
      return String.fromCharCode(code)
    })
  return Buffer.from(plain, 'latin1')
}
