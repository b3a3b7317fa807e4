/**
 * Decodes exactly `count` little-endian float32 numbers from canonical base64; undefined for anything else. They are
 * put into `into` where that is given and large enough. Node's decoder leaves out characters that are not base64, so
 * lengths are compared and its other alphabet is refused.
 */
export function decodeFloats(encoded: Buffer, count: number, into?: Float32Array): Float32Array | undefined {
  const wantedBytes = count * Float32Array.BYTES_PER_ELEMENT
  if (encoded.length !== Math.ceil(wantedBytes / 3) * 4) return undefined
  if (encoded.includes(dash) || encoded.includes(underscore)) return undefined
  const floats =
    into !== undefined && into.length >= count ? into.subarray(0, count) : new Float32Array(count)
  const bytes = Buffer.from(floats.buffer, floats.byteOffset, wantedBytes)
  return decodePieces(encoded, bytes) === wantedBytes ? floats : undefined
}

const dash = 0x2d
const underscore = 0x5f
const pieceCharacters = 1 << 16

// The decoder wants strings, and many short ones that are soon forgotten take half of the time of a long one.
function decodePieces(encoded: Buffer, bytes: Buffer): number {
  let written = 0
  for (let start = 0; start < encoded.length; start += pieceCharacters) {
    const piece = encoded.toString('latin1', start, Math.min(start + pieceCharacters, encoded.length))
    const expected = (start / 4) * 3
    if (written !== expected) return written
    written += bytes.write(piece, expected, 'base64')
  }
  return written
}
