import type {ByteSource} from './byte-source.js'

export type FileKind =
  | 'pickle'
  | 'safetensors'
  | 'dense-tensor'
  | 'torch-zip'
  | 'torch-legacy'
  | 'html'
  | 'lfs-pointer'
  | 'unknown'

const headBytes = 64
const torchMagic = Buffer.from('8a0a6cfc9c46f9206aa85019', 'hex')

/** Tells what a file is by its first bytes; suffixes lie. */
export function sniff(source: ByteSource): FileKind {
  const head = source.read(0, Math.min(headBytes, source.sizeBytes))
  const text = head
    .toString('latin1')
    .replace(/^(?:\xef\xbb\xbf|\s)+/, '')
    .toLowerCase()
  if (head.subarray(0, 4).equals(Buffer.from('PK\x03\x04', 'latin1'))) return 'torch-zip'
  if (/^(?:<!doctype|<html|<\?xml)/.test(text)) return 'html'
  if (text.startsWith('version https://git-lfs')) return 'lfs-pointer'
  if (head.length >= 9 && head[8] === 0x7b && head.readBigUInt64LE(0) < 1n << 32n) return 'safetensors'
  if (head.length >= 2 && head[0] === 0x80 && (head[1] ?? 0) >= 2) {
    return head.subarray(2, 14).equals(torchMagic) ? 'torch-legacy' : 'pickle'
  }
  return looksLikeDenseTensor(head) ? 'dense-tensor' : 'unknown'
}

// Version 0, LoD count, version 0 again, then the length of a description: a file of zeros is not one.
function looksLikeDenseTensor(head: Buffer): boolean {
  if (head.length < 20 || head.readUInt32LE(0) !== 0 || head.readUInt32LE(12) !== 0) return false
  return head.subarray(16, 20).some((byte) => byte !== 0)
}
