import {cp, lstat, mkdir, open, readdir, rename, rm} from 'node:fs/promises'
import {dirname, join} from 'node:path'
import {DataError, printable} from '../../errors.js'
import {syncFolder} from '../../files.js'
import type {Source} from './sources.js'

/**
 * Gives what was unpacked its final names, each at once. What is there already stays as it is.
 * @param staged - the folder with what the archive held
 * @throws DataError E_ARC_CONTENT when it held something else
 */
export async function putInPlace(staged: string, dataRoot: string, source: Source): Promise<void> {
  const into = source.archive?.into
  const moves = source.provides.map((path) => ({
    from: join(staged, into === undefined ? path : path.slice(into.length + 1)),
    to: join(dataRoot, path),
    path,
  }))
  for (const {from, path} of moves) {
    if (await isThere(from)) continue
    throw new DataError(`The archive ${printable(source.fileName ?? source.id)} holds no ${path}.`, {
      code: 'E_ARC_CONTENT',
      next: 'It is not the archive that the registry means: try another --mirror.',
    })
  }
  for (const {from, to} of moves) {
    if (await isThere(to)) continue
    await mkdir(dirname(to), {recursive: true})
    await rename(from, to)
    await syncFolder(dirname(to))
  }
}

/** Copies what a folder holds in the layout of a data root, to give it its final names afterwards. */
export async function copyProvided(folder: string, staged: string, source: Source): Promise<void> {
  const into = source.archive?.into
  await rm(staged, {recursive: true, force: true})
  for (const path of source.provides) {
    const target = join(staged, into === undefined ? path : path.slice(into.length + 1))
    await mkdir(dirname(target), {recursive: true})
    await cp(join(folder, path), target, {
      recursive: true,
      dereference: true,
      errorOnExist: true,
      force: false,
    })
  }
  for (const entry of await readdir(staged, {recursive: true, withFileTypes: true})) {
    if (entry.isFile()) await syncFile(join(entry.parentPath, entry.name))
  }
}

/** A copy gets its final name only when it is safe on the disk. */
async function syncFile(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  )
}
