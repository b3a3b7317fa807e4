import {FileSource} from '../formats/byte-source.js'
import {Lmdb} from '../formats/lmdb.js'
import {refuseWrong} from '../formats/problems.js'
import {RegionReader, regionEntries} from '../formats/region-values.js'
import type {RegionValue} from '../formats/region-values.js'
import {readSafetensors} from '../formats/safetensors.js'
import type {StoredTensor} from '../formats/stored-tensor.js'
import {DataError, printable} from '../errors.js'
import {readRegionBoxes} from './region-boxes.js'
import {featureSize} from './region-writer.js'

/** Regions of images that a store can be built from, read one image at a time by ascending id. */
export type RegionSource = Disposable & {
  /** Image ids, ascending, each with the bytes that reading it takes. */
  readonly images: readonly {readonly imageId: number; readonly lengthBytes: number}[]
  /** About what the features of all images take as float32. */
  readonly featureBytes: number
  /**
   * The regions of an image, good until the next are read. Their rows, the mean first, are put into `into` where
   * that is given and they fit.
   * @throws FormatError naming the image and the field
   */
  read(index: number, into?: Float32Array): RegionValue
}

const float32Bytes = 4

/**
 * Opens a feature LMDB.
 * @throws FormatError naming the file
 */
export function lmdbRegions(path: string): RegionSource {
  const lmdb = new Lmdb(path)
  try {
    const entries = [...regionEntries(lmdb, refuseWrong)]
    const reader = new RegionReader(lmdb, featureSize)
    const images = entries.map(([imageId, {lengthBytes}]) => ({imageId, lengthBytes}))
    const totalBytes = images.reduce((sum, {lengthBytes}) => sum + lengthBytes, 0)
    return {
      images,
      // Base64 makes 4 bytes of 3.
      featureBytes: 0.75 * totalBytes + images.length * featureSize * float32Bytes,
      read(index, into) {
        const [imageId, entry] = entries[index] ?? []
        if (imageId === undefined || entry === undefined) throw new RangeError(`no image ${index}`)
        return reader.read(imageId, entry, refuseWrong, into)
      },
      [Symbol.dispose]: () => {
        lmdb[Symbol.dispose]()
      },
    }
  } catch (error) {
    lmdb[Symbol.dispose]()
    throw error
  }
}

/**
 * Opens a store of float32 features, to make one of float16 of it.
 * @throws DataError, FormatError when it is not such a store
 */
export function storeRegions(path: string): RegionSource {
  const boxesById = [...readRegionBoxes(path)]
  const source = new FileSource(path)
  const features = featuresOf(source)
  const rowBytes = featureSize * float32Bytes
  let first = 0
  const places = boxesById.map(([imageId, {boxes}]) => {
    const rows = boxes.length / 4
    const place = {imageId, lengthBytes: rows * rowBytes, offset: features.offset + first * rowBytes}
    first += rows
    return place
  })
  return {
    images: places,
    featureBytes: first * rowBytes,
    read(index) {
      const place = places[index]
      const [imageId, image] = boxesById[index] ?? []
      if (place === undefined || imageId === undefined || image === undefined)
        throw new RangeError(`no image ${index}`)
      const bytes = Uint8Array.from(source.read(place.offset, place.lengthBytes))
      const rows = new Float32Array(bytes.buffer)
      return {
        ...{imageId, width: image.width, height: image.height},
        count: image.boxes.length / 4 - 1,
        boxes: image.boxes.subarray(4),
        meanFeature: rows.subarray(0, featureSize),
        features: rows.subarray(featureSize),
      }
    },
    [Symbol.dispose]: () => {
      source[Symbol.dispose]()
    },
  }
}

function featuresOf(source: FileSource): {readonly offset: number} {
  const tensor = readSafetensors(source).tensors.find(({name}: StoredTensor) => name === 'features')
  const piece = tensor?.pieces[0]
  if (piece !== undefined && tensor?.dtype === 'F32') return piece
  throw new DataError(`${printable(source.name, 300)} is not a store of float32 features.`)
}
