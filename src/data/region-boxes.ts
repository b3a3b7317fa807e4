import {DataError, printable} from '../errors.js'
import {FileSource} from '../formats/byte-source.js'
import {readSafetensors} from '../formats/safetensors.js'

/** The boxes of one image in a region store. */
export type ImageBoxes = {
  /** Size of the image in pixels. */
  readonly width: number
  readonly height: number
  /** x1, y1, x2, y2 in pixels, a row of 4 each; the first is the global region, the whole image. */
  readonly boxes: Float32Array
}

/**
 * The boxes of a region store by image id, without its features, which are five hundred times as large.
 * @throws DataError when the file is not a region store
 */
export function readRegionBoxes(path: string): Map<number, ImageBoxes> {
  using source = new FileSource(path)
  const {tensors} = readSafetensors(source)
  const bytes = (name: string): Buffer => {
    const piece = tensors.find((tensor) => tensor.name === name)?.pieces[0]
    if (piece !== undefined) return Buffer.from(piece.read(source))
    throw new DataError(`${printable(path, 300)} is not a region store: it has no "${name}".`)
  }
  const ids = integers(bytes('image_ids'))
  const first = integers(bytes('first_region'))
  const sizes = integers(bytes('image_sizes'))
  const boxes = floats(bytes('boxes'))
  const rows = ids.map((id, row): [number, ImageBoxes] => [
    id,
    {
      width: sizes[2 * row] ?? 0,
      height: sizes[2 * row + 1] ?? 0,
      boxes: boxes.subarray(4 * (first[row] ?? 0), 4 * (first[row + 1] ?? 0)),
    },
  ])
  return new Map(rows)
}

function integers(bytes: Buffer): number[] {
  return Array.from({length: bytes.length / 8}, (_, index) => Number(bytes.readBigInt64LE(8 * index)))
}

function floats(bytes: Buffer): Float32Array {
  return Float32Array.from({length: bytes.length / 4}, (_, index) => bytes.readFloatLE(4 * index))
}
