/**
 * Decodes exactly `count` little-endian float32 numbers from canonical base64; undefined for anything else.
 * Node's decoder leaves out characters that are not base64, so lengths are compared and its other alphabet is refused.
 */
export function decodeFloats(encoded: Buffer, count: number): Float32Array | undefined {
  const wantedBytes = count * Float32Array.BYTES_PER_ELEMENT
  if (encoded.length !== Math.ceil(wantedBytes / 3) * 4) return undefined
  if (encoded.includes(dash) || encoded.includes(underscore)) return undefined
  const floats = new Float32Array(count)
  const bytes = Buffer.from(floats.buffer)
  const written = bytes.write(encoded.toString('latin1'), 'base64')
  return written === wantedBytes ? floats : undefined
}

const dash = 0x2d
const underscore = 0x5f
