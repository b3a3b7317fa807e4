import {shownUrl} from './failure.js'
import {readPins} from './pins.js'
import {checkAddresses, isPresent, originOf, providedPaths, type Places} from './places.js'
import type {Source} from './sources.js'

/** What a download would do about a source. */
export type PlannedSource = {
  readonly id: string
  readonly status: 'present' | 'planned' | 'unavailable'
  /** Addresses in the order they would be tried. */
  readonly urls: readonly string[]
  readonly files: readonly string[]
  readonly sizeBytes: number | null
  readonly sha256: string | null
}

/** Says what a download would do; asks nobody and writes nothing. */
export async function planSources(
  sources: readonly Source[],
  options: {
    readonly dataRoot: string
    readonly from?: string | undefined
    readonly mirror?: string | undefined
  },
): Promise<readonly PlannedSource[]> {
  const {dataRoot} = options
  checkAddresses(options)
  const pins = await readPins(dataRoot)
  return Promise.all(
    sources.map(async (source): Promise<PlannedSource> => {
      const isThere = await isPresent(dataRoot, source)
      const urls = isThere ? [] : await addressesOf(source, options)
      return {
        id: source.id,
        status: isThere ? 'present' : urls.length === 0 ? 'unavailable' : 'planned',
        urls,
        files: providedPaths(dataRoot, source),
        sizeBytes: source.sizeBytes ?? pins[source.id]?.sizeBytes ?? source.aboutBytes ?? null,
        sha256: source.sha256 ?? pins[source.id]?.sha256 ?? null,
      }
    }),
  )
}

async function addressesOf(source: Source, options: Places): Promise<readonly string[]> {
  const origin = await originOf(source, options)
  return origin.kind === 'folder' ? [origin.folder] : origin.urls.map(shownUrl)
}
