import {accessSync, constants, statSync} from 'node:fs'
import {dirname, resolve} from 'node:path'
import {ConfigError, printable} from '../errors.js'

/**
 * The absolute path of the file that results go to, found to be writable before hours of work go into them.
 * @throws ConfigError E_RESULTS
 */
export function resultsFile(results: string): string {
  const path = resolve(results)
  if (isFolder(path)) throw refused(path, 'is a folder, not a file')
  if (!isFolder(dirname(path))) throw refused(path, 'is in a folder that does not exist')
  try {
    accessSync(dirname(path), constants.W_OK)
  } catch (cause) {
    throw refused(path, 'is in a folder that cannot be written', cause)
  }
  return path
}

function isFolder(path: string): boolean {
  return statSync(path, {throwIfNoEntry: false})?.isDirectory() === true
}

function refused(path: string, predicate: string, cause?: unknown): ConfigError {
  const next = 'Name a file in a folder that is there with --results.'
  return new ConfigError(`The results file ${printable(path, 300)} ${predicate}.`, {
    code: 'E_RESULTS',
    next,
    cause,
  })
}
