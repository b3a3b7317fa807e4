/** What a header block of a tar says; `type` is its letter. */
export type TarHeader = {readonly name: string; readonly sizeBytes: number; readonly type: string}

export const blockBytes = 512

/** Reads one header block; nothing when it is not one (its checksum is wrong, a number is none). */
export function readTarHeader(block: Buffer): TarHeader | undefined {
  const sizeBytes = readNumber(block.subarray(124, 136))
  if (readNumber(block.subarray(148, 156)) !== checksum(block) || sizeBytes === undefined) return undefined
  const isUstar = block.toString('latin1', 257, 263) === 'ustar\0'
  const prefix = isUstar ? readText(block.subarray(345, 500)) : ''
  const shortName = readText(block.subarray(0, 100))
  if (shortName === undefined || prefix === undefined) return undefined
  const type = block.toString('latin1', 156, 157)
  return {name: prefix === '' ? shortName : `${prefix}/${shortName}`, sizeBytes, type}
}

/** The `path` and `size` of an extended header (PAX), as far as it gives them; nothing when it is damaged. */
export function readPax(content: Buffer): {readonly path?: string; readonly sizeBytes?: number} | undefined {
  const found: {path?: string; sizeBytes?: number} = {}
  for (let at = 0; at < content.length;) {
    const space = content.indexOf(0x20, at)
    const digits = space < 0 ? '' : content.toString('latin1', at, space)
    const length = /^\d{1,9}$/.test(digits) ? Number(digits) : 0
    if (length <= digits.length + 1 || at + length > content.length) return undefined
    const record = readText(content.subarray(space + 1, at + length - 1))
    const equals = record?.indexOf('=') ?? -1
    if (record === undefined || equals < 0 || content[at + length - 1] !== 0x0a) return undefined
    const value = record.slice(equals + 1)
    if (record.startsWith('path=')) found.path = value
    if (record.startsWith('size=')) {
      if (!/^\d{1,15}$/.test(value)) return undefined
      found.sizeBytes = Number(value)
    }
    at += length
  }
  return found
}

/** UTF-8 up to the first zero byte; nothing when it is not UTF-8. */
export function readText(bytes: Buffer): string | undefined {
  const end = bytes.indexOf(0)
  try {
    return new TextDecoder('utf-8', {fatal: true, ignoreBOM: true}).decode(
      end < 0 ? bytes : bytes.subarray(0, end),
    )
  } catch {
    return undefined
  }
}

/** Octal digits, or GNU's binary form for what they cannot say. */
function readNumber(field: Buffer): number | undefined {
  if (((field[0] ?? 0) & 0x80) !== 0) {
    const value = field.subarray(1).reduce((sum, byte) => sum * 256 + byte, (field[0] ?? 0) & 0x7f)
    return Number.isSafeInteger(value) ? value : undefined
  }
  const text = field.toString('latin1').replace(/[\0 ].*$/s, (rest) => (/^[\0 ]*$/.test(rest) ? '' : '?'))
  const trimmed = text.trim()
  return /^[0-7]{1,14}$/.test(trimmed) ? Number.parseInt(trimmed, 8) : undefined
}

/** The sum of the block's bytes, its own field counted as spaces. */
function checksum(block: Buffer): number {
  let sum = 8 * 0x20
  for (const [index, byte] of block.entries()) if (index < 148 || index >= 156) sum += byte
  return sum
}
