import {lstat, stat} from 'node:fs/promises'
import {basename, join} from 'node:path'
import {pathToFileURL} from 'node:url'
import {ConfigError, DataError, printable} from '../../errors.js'
import type {Source} from './sources.js'

/** The paths that a source puts below a data root. */
export function providedPaths(dataRoot: string, source: Source): readonly string[] {
  return source.provides.map((path) => join(dataRoot, path))
}

/** Whether all of them are there: they get their names only when they are whole. */
export async function isPresent(dataRoot: string, source: Source): Promise<boolean> {
  const present = await Promise.all(providedPaths(dataRoot, source).map(exists))
  return present.every(Boolean)
}

/** Where the file itself is kept: under its final name, or an archive aside until it is unpacked. */
export function filePath(dataRoot: string, source: Source): string {
  return source.archive === undefined
    ? join(dataRoot, firstOf(source))
    : join(dataRoot, '.vilbert-ts', 'downloads', source.fileName ?? source.id)
}

/** What the user says about where to take things from. */
export type Places = {
  /** Only this folder or address. */
  readonly from?: string | undefined
  /** This address before those of the registry. */
  readonly mirror?: string | undefined
}

/** Where a source is to be taken from. */
export type Origin =
  | {readonly kind: 'urls'; readonly urls: readonly URL[]}
  /** A folder that holds the source's files as they are to be. */
  | {readonly kind: 'folder'; readonly folder: string}

/**
 * Puts the addresses of a source in the order to try them.
 * @throws DataError E_DL_FROM when the folder does not hold it; ConfigError E_URL when an address is none
 */
export async function originOf(source: Source, {from, mirror}: Places): Promise<Origin> {
  if (from !== undefined && !isAddress(from)) return originInFolder(source, from)
  if (from !== undefined) return {kind: 'urls', urls: [below(from, mirrorName(source))]}
  const first = mirror === undefined ? [] : [below(mirror, mirrorName(source))]
  return {kind: 'urls', urls: [...first, ...source.urls.map((url) => new URL(url))]}
}

/**
 * Checks addresses before anything is done with them.
 * @throws ConfigError E_URL
 */
export function checkAddresses({from, mirror}: Places): void {
  if (from !== undefined && isAddress(from)) below(from, 'x')
  if (mirror !== undefined) below(mirror, 'x')
}

/** A folder may hold the file as the server has it, or what it provides, below the same names as a data root. */
async function originInFolder(source: Source, folder: string): Promise<Origin> {
  const names = [mirrorName(source), basename(mirrorName(source))]
  for (const name of names) {
    const path = join(folder, name)
    if (await isFile(path)) return {kind: 'urls', urls: [pathToFileURL(path)]}
  }
  if (await isPresent(folder, source)) return {kind: 'folder', folder}
  throw new DataError(
    `${printable(folder, 300)} holds neither ${names.join(' nor ')}${source.archive === undefined ? '' : ` nor ${source.provides.join(', ')}`}.`,
    {code: 'E_DL_FROM', next: 'Pass --from with the folder that holds them, or --only to leave this out.'},
  )
}

/** The name of a source's file on a mirror: an archive's own, else the path below the data root. */
function mirrorName(source: Source): string {
  return source.archive === undefined ? firstOf(source) : (source.fileName ?? source.id)
}

function firstOf(source: Source): string {
  return source.provides[0] ?? source.id
}

function isAddress(text: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(text)
}

function below(base: string, name: string): URL {
  if (!URL.canParse(base) || !['https:', 'http:', 's3:', 'file:'].includes(new URL(base).protocol)) {
    throw new ConfigError(`"${printable(base)}" is no address that files can be fetched from.`, {
      code: 'E_URL',
      next: 'Give an address that begins with https://, http://, s3:// or file://.',
    })
  }
  const url = new URL(base)
  url.pathname = `${url.pathname.replace(/\/$/, '')}/${name.split('/').map(encodeURIComponent).join('/')}`
  return url
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  )
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (status) => status.isFile(),
    () => false,
  )
}
