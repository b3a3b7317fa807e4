import {readdir, stat} from 'node:fs/promises'
import {join} from 'node:path'

export type FileBelow = {
  readonly path: string
  readonly sizeBytes: number
  /** Names that lead to the same bytes share it. */
  readonly id: string
}

/** The files of a folder and the folders in it; one that goes away meanwhile is left out. */
export async function filesBelow(folder: string): Promise<FileBelow[]> {
  const entries = await readdir(folder, {withFileTypes: true}).catch(() => [])
  const found = entries.map(async (entry): Promise<FileBelow[]> => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return await filesBelow(path)
    const status = entry.isFile() ? await stat(path).catch(() => undefined) : undefined
    if (status === undefined) return []
    return [{path, sizeBytes: status.size, id: `${status.dev}:${status.ino}`}]
  })
  return (await Promise.all(found)).flat()
}
