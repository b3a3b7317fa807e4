import type {VilbertError} from '../errors.js'

/** An image id in a store, or why there is none. */
export type Place = number | VilbertError

/** Regions in the form that Python maps, until they are disposed of. */
export type FoundRegions = AsyncDisposable & {
  readonly detectedFile: string
  /** What messages call it. */
  readonly detectedSource: string
  /** One for each image that was asked for. */
  readonly places: readonly Place[]
}

/** Where the regions and the pictures of images come from. */
export type RegionSource = {
  find(images: readonly (number | string)[], signal: AbortSignal | undefined): Promise<FoundRegions>
  /** @throws DataError E_NO_PICTURE, E_REGIONS_MISSING */
  pictureOf(image: number | string): Promise<string>
  /** Whether the places are image ids of a data set. */
  readonly isDataset: boolean
}
