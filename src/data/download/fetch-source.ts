import {mkdir, rm, stat} from 'node:fs/promises'
import {dirname, resolve} from 'node:path'
import {FormatError} from '../../errors.js'
import {sha256File} from '../../files.js'
import {explainDisk} from './disk-errors.js'
import {requireSpace} from './disk-space.js'
import {fetchFile, type Fetched, type Patience} from './fetch-file.js'
import {withFileLock} from './lock.js'
import {learnPin, pinsFile, readPins} from './pins.js'
import {filePath, isPresent, originOf, providedPaths, type Places} from './places.js'
import {copyProvided, putInPlace} from './put-in-place.js'
import type {Source} from './sources.js'
import type {Transport} from './transport.js'
import {unpackArchive} from './unpack/unpack.js'

export type FetchSourceOptions = Patience &
  Places & {
    readonly dataRoot: string
    readonly allowPrivate?: boolean
    readonly signal?: AbortSignal | undefined
    readonly transportFor: (url: URL) => Transport
    readonly onBytes?: (id: string, doneBytes: number, totalBytes: number | undefined) => void
    /** Told in a line what is going on. */
    readonly onNote?: (line: string) => void
  }

/** What became of a source. */
export type SourceResult = {
  readonly id: string
  /** `unavailable`: nobody publishes it and no place was given. */
  readonly status: 'present' | 'fetched' | 'unavailable'
  /** The files and folders below the data root. */
  readonly files: readonly string[]
  readonly sizeBytes: number | null
  readonly sha256: string | null
  /** Whether the hash was not known before and is kept from now on. */
  readonly isLearned: boolean
}

/**
 * Fetches a source, unpacks it and puts its files below the data root; nothing is done when they are there.
 * @throws NetworkError, DataError, FormatError
 */
export async function fetchSource(source: Source, options: FetchSourceOptions): Promise<SourceResult> {
  try {
    return await fetchUnlessPresent(source, options)
  } catch (error) {
    throw explainDisk(error, options.dataRoot)
  }
}

async function fetchUnlessPresent(source: Source, options: FetchSourceOptions): Promise<SourceResult> {
  const dataRoot = resolve(options.dataRoot)
  const path = filePath(dataRoot, source)
  const known = await fromRegistryOrPins(dataRoot, source)
  const result = {
    id: source.id,
    files: providedPaths(dataRoot, source),
    sizeBytes: known.sizeBytes ?? null,
    sha256: known.sha256 ?? null,
    isLearned: false,
  }
  if (await isPresent(dataRoot, source)) return {...result, status: 'present'}
  const origin = await originOf(source, options)
  if (origin.kind === 'urls' && origin.urls.length === 0) return {...result, status: 'unavailable'}

  await mkdir(dirname(path), {recursive: true})
  return withFileLock(
    path,
    async () => {
      if (await isPresent(dataRoot, source)) return {...result, status: 'present'}
      if (origin.kind === 'folder') {
        await copyFolder(origin.folder, path, dataRoot, source)
        return {...result, status: 'fetched'}
      }
      const fetched = await fetchOrReuse(source, path, origin.urls, known, options)
      if (source.archive !== undefined) await unpackInPlace(path, dataRoot, source, options)
      const isLearned = known.sha256 === undefined
      if (isLearned) await learn(dataRoot, source.id, fetched, options)
      return {...result, status: 'fetched', sizeBytes: fetched.sizeBytes, sha256: fetched.sha256, isLearned}
    },
    {
      signal: options.signal,
      onWait: (owner) => options.onNote?.(`${source.id} is being fetched by ${owner}: waiting for it.`),
    },
  )
}

type Known = {
  readonly sizeBytes?: number | undefined
  readonly sha256?: string | undefined
  readonly origin?: string | undefined
}

/** The registry knows best; else what was learned counts. */
async function fromRegistryOrPins(dataRoot: string, source: Source): Promise<Known> {
  const {sizeBytes, sha256} = source
  if (sha256 !== undefined) return {sizeBytes, sha256}
  const pin = (await readPins(dataRoot))[source.id]
  if (pin === undefined) return {sizeBytes}
  const origin = `It was another file on ${pin.learnedAt.slice(0, 10)}: if the new one is meant to be, remove ${source.id} from ${pinsFile(dataRoot)}.`
  return {sizeBytes: sizeBytes ?? pin.sizeBytes, sha256: pin.sha256, origin}
}

/** An archive that is whole but was not unpacked, because the process was killed, is not fetched again. */
async function fetchOrReuse(
  source: Source,
  path: string,
  urls: readonly URL[],
  known: Known,
  options: FetchSourceOptions,
): Promise<Pick<Fetched, 'sha256' | 'sizeBytes'>> {
  if (source.archive !== undefined && (await isThere(path))) {
    const {size: sizeBytes} = await stat(path)
    const sha256 = await sha256File(path, {signal: options.signal})
    if ((known.sha256 ?? sha256) === sha256) return {sha256, sizeBytes}
    await rm(path)
  }
  const extraBytes = source.archive?.aboutBytes ?? 0
  const aboutBytes = known.sizeBytes ?? source.aboutBytes
  if (aboutBytes !== undefined) await requireSpace(dirname(path), aboutBytes + extraBytes, source.id)
  return fetchFile({
    ...options,
    urls,
    path,
    expected: known,
    extraBytes,
    onBytes: (_url, doneBytes, totalBytes) => options.onBytes?.(source.id, doneBytes, totalBytes),
  })
}

/** Unpacks aside and renames; an archive that cannot be unpacked is not kept for a next try. */
async function unpackInPlace(
  path: string,
  dataRoot: string,
  source: Source,
  options: FetchSourceOptions,
): Promise<void> {
  const staged = `${path}.unpacked`
  options.onNote?.(`unpacking ${source.fileName ?? source.id}`)
  try {
    await unpackArchive(path, staged, source.archive, options.signal)
    await putInPlace(staged, dataRoot, source)
    await rm(path, {force: true})
  } catch (error) {
    if (error instanceof FormatError || isWrongContent(error)) await rm(path, {force: true})
    throw error
  } finally {
    await rm(staged, {recursive: true, force: true})
  }
}

async function copyFolder(folder: string, path: string, dataRoot: string, source: Source): Promise<void> {
  const staged = `${path}.unpacked`
  try {
    await copyProvided(folder, staged, source)
    await putInPlace(staged, dataRoot, source)
  } finally {
    await rm(staged, {recursive: true, force: true})
  }
}

async function learn(
  dataRoot: string,
  id: string,
  {sha256, sizeBytes}: Pick<Fetched, 'sha256' | 'sizeBytes'>,
  options: FetchSourceOptions,
): Promise<void> {
  await learnPin(dataRoot, id, {sha256, sizeBytes, learnedAt: new Date().toISOString()})
  options.onNote?.(`${id}: no hash was known; from now on it must be sha256 ${sha256}`)
}

function isWrongContent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'E_ARC_CONTENT'
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    (status) => status.isFile(),
    () => false,
  )
}
