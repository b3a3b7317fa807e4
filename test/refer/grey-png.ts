import {inflateSync} from 'node:zlib'

/** A decoded picture of one byte a pixel, row by row. */
export type GreyPicture = {readonly width: number; readonly height: number; readonly pixels: Uint8Array}

/** Decodes a grey PNG of 8 bits as the specification has it; throws for any other. */
export function decodeGreyPng(file: Buffer): GreyPicture {
  const chunks = chunksOf(file)
  const header = chunks.find(({type}) => type === 'IHDR')?.data ?? Buffer.alloc(13)
  const [width, height] = [header.readUInt32BE(0), header.readUInt32BE(4)]
  if (!header.subarray(8).equals(Buffer.from([8, 0, 0, 0, 0]))) throw new Error('not grey with 8 bits')
  const packed = Buffer.concat(chunks.filter(({type}) => type === 'IDAT').map(({data}) => data))
  return {width, height, pixels: unfilter(inflateSync(packed), width, height)}
}

function chunksOf(file: Buffer): {readonly type: string; readonly data: Buffer}[] {
  if (file.toString('latin1', 0, 8) !== '\x89PNG\r\n\x1a\n') throw new Error('not a PNG')
  const chunks = []
  for (let at = 8; at < file.length;) {
    const size = file.readUInt32BE(at)
    chunks.push({type: file.toString('latin1', at + 4, at + 8), data: file.subarray(at + 8, at + 8 + size)})
    at += size + 12
  }
  return chunks
}

/** Each row says how its bytes are predicted from those to the left and above. */
function unfilter(rows: Buffer, width: number, height: number): Uint8Array {
  if (rows.length !== (width + 1) * height) throw new Error('wrong number of pixels')
  const pixels = new Uint8Array(width * height)
  for (let y = 0; y < height; y++) {
    const filter = rows[y * (width + 1)] ?? 0
    for (let x = 0; x < width; x++) {
      const left = x > 0 ? (pixels[y * width + x - 1] ?? 0) : 0
      const above = y > 0 ? (pixels[(y - 1) * width + x] ?? 0) : 0
      const corner = x > 0 && y > 0 ? (pixels[(y - 1) * width + x - 1] ?? 0) : 0
      const predicted = [0, left, above, (left + above) >> 1, paeth(left, above, corner)][filter] ?? NaN
      pixels[y * width + x] = (rows[y * (width + 1) + 1 + x] ?? 0) + predicted
    }
  }
  return pixels
}

function paeth(left: number, above: number, corner: number): number {
  const estimate = left + above - corner
  const [toLeft, toAbove, toCorner] = [left, above, corner].map((value) => Math.abs(estimate - value))
  if (toLeft === undefined || toAbove === undefined || toCorner === undefined) return NaN
  if (toLeft <= toAbove && toLeft <= toCorner) return left
  return toAbove <= toCorner ? above : corner
}
