import {readdirSync, statSync} from 'node:fs'
import {join} from 'node:path'

import {throwIfInterrupted} from '../breathe.js'
import {ConfigProblemsError} from '../config/problems.js'
import type {ModelConfig} from '../config/model.js'
import {FormatError, printable, VilbertError} from '../errors.js'
import {checkPath} from './check-path.js'
import {isLmdbFolder, kindOfNamedPath, kindOfPath} from './kinds.js'
import type {VerifyKind} from './kinds.js'

/** The files that {@link verifyPaths} reads. */
export type VerifyOptions = {
  /** Files, or folders whose files are checked. */
  readonly paths: readonly string[]
  /** What the paths are to be checked as. @default what each of them looks like */
  readonly as?: VerifyKind | undefined
  /** The model that weights have to fit. @default only what every ViLBERT has in common is checked */
  readonly config?: ModelConfig | undefined
  readonly signal?: AbortSignal | undefined
  /** Told how many files and folders are checked, of all. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined
}

/** The outcome of a check of one file. */
export type Verification = {
  readonly path: string
  readonly kind: VerifyKind | 'unknown'
  readonly ok: boolean
  /** Stable reason such as `E_TRUNCATED`; null where nothing is wrong. */
  readonly code: string | null
  readonly message: string | null
  /** The byte, or the line, column and key, where that is known. */
  readonly where: string | null
}

/**
 * Reads files of any kind that the program reads, whole and strictly, and tells what is wrong with each. Nothing that
 * a file names is run or written.
 */
export async function verifyPaths(options: VerifyOptions): Promise<Verification[]> {
  const {paths, as, config, signal, onProgress} = options
  const targets = as === undefined ? paths.flatMap(expand) : paths.map((path) => ({path, kind: as}))
  const found: Verification[] = []
  for (const [index, {path, kind}] of targets.entries()) {
    throwIfInterrupted(signal)
    found.push(await verifyPath(path, kind, {config, signal}))
    onProgress?.(index + 1, targets.length)
  }
  return found
}

type Target = {readonly path: string; readonly kind: VerifyKind | undefined}

// A folder stands for what the program reads of its files; hidden ones are caches and unfinished files.
function expand(path: string): Target[] {
  if (isLmdbFolder(path) || !isFolder(path)) return [{path, kind: kindOfNamedPath(path)}]
  const inside = filesIn(path).filter(({kind}) => kind !== undefined)
  return inside.length > 0 ? inside : [{path, kind: undefined}]
}

function filesIn(folder: string): Target[] {
  const entries = readdirSync(folder, {withFileTypes: true})
    .filter(({name}) => !name.startsWith('.') && name !== 'node_modules')
    .sort((a, b) => (a.name < b.name ? -1 : 1))
  return entries.flatMap((entry) => {
    const path = join(folder, entry.name)
    return entry.isDirectory() && !isLmdbFolder(path) ? filesIn(path) : [{path, kind: kindOfPath(path)}]
  })
}

async function verifyPath(
  path: string,
  kind: VerifyKind | undefined,
  options: {readonly config: ModelConfig | undefined; readonly signal: AbortSignal | undefined},
): Promise<Verification> {
  if (kind === undefined) return unknownKind(path)
  try {
    await checkPath(path, kind, options)
    return {path, kind, ok: true, code: null, message: null, where: null}
  } catch (error) {
    throwIfInterrupted(options.signal)
    if (!(error instanceof VilbertError)) throw error
    return {path, kind, ok: false, ...describe(error)}
  }
}

function describe(error: VilbertError): Pick<Verification, 'code' | 'message' | 'where'> {
  const {code, message} = error
  if (error instanceof FormatError) {
    return {code, message, where: error.offset === undefined ? null : `byte ${error.offset}`}
  }
  if (!(error instanceof ConfigProblemsError)) return {code, message, where: null}
  const [first] = error.problems
  const place = first?.line == null ? undefined : `line ${first.line}, column ${String(first.column)}`
  const where = [place, first?.path].filter((part) => part !== undefined && part !== '').join(', ')
  return {code: first?.code ?? code, message: oneLine(message), where: where === '' ? null : printable(where)}
}

function oneLine(message: string): string {
  return message
    .split(/\s*\n\s*/)
    .join('; ')
    .replace(':;', ':')
}

function unknownKind(path: string): Verification {
  const shown = printable(path, 300)
  const [code, message] = !exists(path)
    ? ['E_IO', `${shown}: there is no such file.`]
    : isFolder(path)
      ? ['E_NOT_FILE', `${shown}: this is a folder without a file that can be verified.`]
      : ['E_FORMAT', `${shown}: this is no file of a kind that can be verified; --as names one.`]
  return {path, kind: 'unknown', ok: false, code, message, where: null}
}

function exists(path: string): boolean {
  return statSync(path, {throwIfNoEntry: false}) !== undefined
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch {
    return false
  }
}
