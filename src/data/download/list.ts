import {pinsFile, readPins} from './pins.js'
import {isPresent, providedPaths} from './places.js'
import type {Source, SourceKind} from './sources.js'

/** A source as `data list` shows it. */
export type ListedSource = {
  readonly id: string
  readonly datasets: readonly string[]
  readonly kind: SourceKind
  readonly purpose: string
  readonly licence: string
  readonly home: string | null
  readonly note: string | null
  readonly urls: readonly string[]
  /** Size in bytes of the file at the URLs; `isSizeExact` says whether it is exact. */
  readonly sizeBytes: number | null
  readonly isSizeExact: boolean
  readonly sha256: string | null
  /** Whether the hash was learned from an earlier download. */
  readonly isPinned: boolean
  /** The files and folders below the data root. */
  readonly files: readonly string[]
  readonly isPresent: boolean
}

/** Describes sources and says which are there; asks nobody. */
export async function listSources(
  dataRoot: string,
  sources: readonly Source[],
): Promise<{
  readonly dataRoot: string
  readonly pinsFile: string
  readonly sources: readonly ListedSource[]
}> {
  const pins = await readPins(dataRoot)
  const listed = sources.map(async (source): Promise<ListedSource> => {
    const pin = source.sha256 === undefined ? pins[source.id] : undefined
    const exactBytes = source.sizeBytes ?? pin?.sizeBytes
    const {id, datasets, kind, purpose, licence, home = null, note = null, urls} = source
    return {
      ...{id, datasets, kind, purpose, licence, home, note, urls},
      sizeBytes: exactBytes ?? source.aboutBytes ?? null,
      isSizeExact: exactBytes !== undefined,
      sha256: source.sha256 ?? pin?.sha256 ?? null,
      isPinned: pin !== undefined,
      files: providedPaths(dataRoot, source),
      isPresent: await isPresent(dataRoot, source),
    }
  })
  return {dataRoot, pinsFile: pinsFile(dataRoot), sources: await Promise.all(listed)}
}
