import {printable} from '../errors.js'
import type {FormatError} from '../errors.js'
import {broken} from './byte-source.js'
import type {ByteSource} from './byte-source.js'

/** A file of a zip archive, stored without compression. */
export type ZipEntry = {
  readonly name: string
  /** Where its bytes begin in the archive. */
  readonly offset: number
  readonly lengthBytes: number
}

const endBytes = 22
const longestComment = 65_535
const largestDirectoryBytes = 64 << 20
const mostEntries = 200_000

/**
 * The files of a zip archive whose entries are stored as they are, as PyTorch writes it. Names are unique, entries do
 * not overlap, and the two places where a zip states each entry agree.
 * @throws FormatError E_ZIP
 */
export function readStoredZip(source: ByteSource): ZipEntry[] {
  const fail = (what: string): FormatError => broken(source, 'E_ZIP', what)
  const directory = findDirectory(source, fail)
  const entries: ZipEntry[] = []
  const names = new Set<string>()
  const bytes = source.read(directory.offset, directory.lengthBytes)
  let at = 0
  for (let index = 0; index < directory.count; index++) {
    if (at + 46 > bytes.length || bytes.readUInt32LE(at) !== 0x02014b50)
      throw fail('the directory is damaged')
    const end =
      at + 46 + bytes.readUInt16LE(at + 28) + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32)
    if (end > bytes.length) throw fail('the directory is damaged')
    const entry = readEntry(source, bytes.subarray(at, end), directory.offset, fail)
    if (names.has(entry.name)) throw fail(`"${printable(entry.name)}" is there twice`)
    names.add(entry.name)
    entries.push(entry)
    at = end
  }
  checkApart(entries, fail)
  return entries
}

type Directory = {readonly offset: number; readonly lengthBytes: number; readonly count: number}

// The end record is last but for a comment; above 4 GiB or 65,535 entries it points to a larger one.
function findDirectory(source: ByteSource, fail: (what: string) => FormatError): Directory {
  const tailBytes = Math.min(source.sizeBytes, endBytes + longestComment)
  const tailStart = source.sizeBytes - tailBytes
  const tail = source.read(tailStart, tailBytes)
  const at = tail.lastIndexOf('PK\x05\x06', undefined, 'latin1')
  if (at < 0 || at + endBytes > tail.length) throw fail('the archive is cut off: it has no directory')
  const count = tail.readUInt16LE(at + 10)
  const lengthBytes = tail.readUInt32LE(at + 12)
  const offset = tail.readUInt32LE(at + 16)
  const isLarge = count === 0xffff || lengthBytes === 0xffffffff || offset === 0xffffffff
  const directory = isLarge ? largeDirectory(source, tail, at, fail) : {count, lengthBytes, offset}
  const fits = directory.offset + directory.lengthBytes <= tailStart + at
  if (!fits || directory.lengthBytes > largestDirectoryBytes || directory.count > mostEntries) {
    throw fail('the directory is damaged')
  }
  return directory
}

function largeDirectory(
  source: ByteSource,
  tail: Buffer,
  end: number,
  fail: (what: string) => FormatError,
): Directory {
  const locator = end - 20
  if (locator < 0 || tail.readUInt32LE(locator) !== 0x07064b50) throw fail('the large directory is missing')
  const offset = Number(tail.readBigUInt64LE(locator + 8))
  if (offset + 56 > source.sizeBytes) throw fail('the large directory is missing')
  const record = source.read(offset, 56)
  if (record.readUInt32LE(0) !== 0x06064b50) throw fail('the large directory is missing')
  const [count, lengthBytes, start] = [32, 40, 48].map((at) => Number(record.readBigUInt64LE(at)))
  return {count: count ?? 0, lengthBytes: lengthBytes ?? 0, offset: start ?? 0}
}

function readEntry(
  source: ByteSource,
  record: Buffer,
  directoryOffset: number,
  fail: (what: string) => FormatError,
): ZipEntry {
  const nameBytes = record.readUInt16LE(28)
  const rawName = record.subarray(46, 46 + nameBytes)
  const name = rawName.toString('utf8')
  const shown = printable(name)
  if ((record.readUInt16LE(8) & 1) !== 0) throw fail(`"${shown}" is encrypted`)
  if (record.readUInt16LE(10) !== 0) throw fail(`"${shown}" is compressed`)
  const extra = record.subarray(46 + nameBytes, 46 + nameBytes + record.readUInt16LE(30))
  const [size, packed, header] = largeFields(
    extra,
    [24, 20, 42].map((at) => record.readUInt32LE(at)),
  )
  if (size === undefined || header === undefined || size !== packed)
    throw fail(`the sizes of "${shown}" differ`)
  if (header + 30 > directoryOffset) throw fail(`"${shown}" is outside of the archive`)
  const local = source.read(header, 30)
  const offset = header + 30 + local.readUInt16LE(26) + local.readUInt16LE(28)
  const isSame = local.readUInt32LE(0) === 0x04034b50 && local.readUInt16LE(26) === nameBytes
  if (!isSame || offset + size > directoryOffset || !source.read(header + 30, nameBytes).equals(rawName)) {
    throw fail(`"${shown}" is damaged`)
  }
  return {name, offset, lengthBytes: size}
}

// Fields that do not fit 32 bits stand in an extra record instead, one behind the other.
function largeFields(extra: Buffer, fields: readonly number[]): (number | undefined)[] {
  let large = Buffer.alloc(0)
  for (let at = 0; at + 4 <= extra.length; at += 4 + extra.readUInt16LE(at + 2)) {
    if (extra.readUInt16LE(at) === 1)
      large = Buffer.from(extra.subarray(at + 4, at + 4 + extra.readUInt16LE(at + 2)))
  }
  let next = 0
  return fields.map((field) => {
    if (field !== 0xffffffff) return field
    next += 8
    return next <= large.length ? Number(large.readBigUInt64LE(next - 8)) : undefined
  })
}

function checkApart(entries: readonly ZipEntry[], fail: (what: string) => FormatError): void {
  const sorted = [...entries].sort((a, b) => a.offset - b.offset)
  let covered = 0
  for (const {name, offset, lengthBytes} of sorted) {
    if (offset < covered) throw fail(`"${printable(name)}" overlaps another file of the archive`)
    covered = offset + lengthBytes
  }
}
