import {DataError, printable} from '../errors.js'
import {FileSource} from '../formats/byte-source.js'
import {readSafetensors} from '../formats/safetensors.js'
import type {StoredTensor} from '../formats/stored-tensor.js'
import type {Box} from './overlap.js'

/** Of an image's regions, the model sees so many, the one of the whole image included. */
const maxRegions = 100

/** Boxes of an image's regions as the model sees them in evaluation; the first is the whole image. */
export type RegionBoxes = (imageId: number) => readonly Box[]

/**
 * Reads the boxes of a region store; its features, nearly all of the file, are not touched.
 * @throws FormatError if the file is damaged; DataError for an image that it does not have
 */
export function readRegionBoxes(path: string): RegionBoxes {
  using source = new FileSource(path)
  const {tensors} = readSafetensors(source)
  const bytesOf = (name: string, dtype: StoredTensor['dtype']): Buffer => {
    const tensor = tensors.find((candidate) => candidate.name === name && candidate.dtype === dtype)
    if (tensor === undefined) throw new DataError(`${printable(path, 300)} has no tensor ${name} (${dtype}).`)
    return Buffer.concat(tensor.pieces.map((piece) => piece.read(source)))
  }
  const imageIds = integers(bytesOf('image_ids', 'I64'))
  const firstRegions = integers(bytesOf('first_region', 'I64'))
  const boxes = bytesOf('boxes', 'F32')
  const places = new Map(imageIds.map((id, place) => [id, place]))
  return (imageId) => {
    const place = places.get(imageId)
    if (place === undefined)
      throw new DataError(`Image ${imageId} has no regions in ${printable(path, 300)}.`)
    const first = firstRegions[place] ?? 0
    const count = Math.min((firstRegions[place + 1] ?? first) - first, maxRegions)
    return Array.from({length: count}, (_, region) => boxAt(boxes, first + region))
  }
}

function integers(bytes: Buffer): readonly number[] {
  return Array.from({length: bytes.length / 8}, (_, index) => Number(bytes.readBigInt64LE(8 * index)))
}

function boxAt(bytes: Buffer, region: number): Box {
  const edge = (index: number): number => bytes.readFloatLE(16 * region + 4 * index)
  return [edge(0), edge(1), edge(2), edge(3)]
}
