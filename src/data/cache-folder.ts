import {access, constants, mkdir} from 'node:fs/promises'
import {join} from 'node:path'

import {DataError, printable} from '../errors.js'
import {removeLeftovers} from '../files.js'

/**
 * Makes the folder for what is built from outside files and tidies it: `cacheDir`, else `.vilbert-ts` in `home`.
 * @throws DataError E_CACHE when it cannot be written
 */
export async function openCacheFolder(home: string, cacheDir?: string): Promise<string> {
  const folder = cacheDir ?? defaultCacheFolder(home)
  try {
    await mkdir(folder, {recursive: true})
    // Asked, not tried: a file to try with would stay behind where the process is killed.
    await access(folder, constants.W_OK | constants.X_OK)
  } catch (error) {
    throw cannotWrite(folder, error)
  }
  await removeLeftovers(folder)
  return folder
}

/** The folder for what is built from the files of a folder, where the user names no other. */
export function defaultCacheFolder(home: string): string {
  return join(home, '.vilbert-ts')
}

/** The error of a cache folder that refuses: read-only, full, over quota. */
export function cannotWrite(folder: string, cause: unknown): DataError {
  const reason = cause instanceof Error && 'code' in cause ? ` (${String(cause.code)})` : ''
  return new DataError(`The cache folder ${printable(folder, 300)} cannot be written${reason}.`, {
    code: 'E_CACHE',
    next: 'Pass --cache-dir with a folder that can be written and has space.',
    cause,
  })
}

/** Whether a failure is the file system refusing to write. */
export function isWriteRefusal(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return ['EACCES', 'EROFS', 'EPERM', 'ENOSPC', 'EDQUOT'].includes(String(code))
}
