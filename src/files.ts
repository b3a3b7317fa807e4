import {createHash, randomBytes} from 'node:crypto'
import {mkdir, open, readdir, readFile, rename, rm} from 'node:fs/promises'
import type {FileHandle} from 'node:fs/promises'
import {hostname} from 'node:os'
import {basename, dirname, join} from 'node:path'

/** A file being written beside its final name: nothing is seen under `path` before `commit()`. */
export type AtomicFile = AsyncDisposable & {
  /** The final name. */
  readonly path: string
  /** The name of the unfinished file, in the same folder. */
  readonly temporaryPath: string
  readonly handle: FileHandle
  /** Flushes to disk and takes the final name; a file of that name is replaced. */
  commit(): Promise<void>
  /** Removes what was written; does nothing after `commit()`. Leaving an `await using` block calls it. */
  discard(): Promise<void>
}

/**
 * Opens a new file that appears under `path` only when it is complete.
 * The folder must exist; errors are those of `node:fs`.
 */
export async function openAtomic(path: string): Promise<AtomicFile> {
  const temporaryPath = temporaryName(path)
  const handle = await open(temporaryPath, 'wx')
  let finished = false
  const discard = async (): Promise<void> => {
    if (finished) return
    finished = true
    await handle.close()
    await rm(temporaryPath, {force: true})
  }

  return {
    path,
    temporaryPath,
    handle,
    discard,
    [Symbol.asyncDispose]: discard,
    async commit() {
      await handle.sync()
      await handle.close()
      finished = true
      await renameOrRemove(temporaryPath, path)
      await syncFolder(dirname(path))
    },
  }
}

/** Makes a hidden folder beside a path, for what gets its name when it is complete. */
export async function makeStagingFolder(path: string): Promise<string> {
  const folder = temporaryName(path)
  await mkdir(folder)
  return folder
}

/** Writes `data` so that a reader, or a killed process, sees the old file or the new one and nothing between. */
export async function writeFileAtomic(path: string, data: string | Uint8Array): Promise<void> {
  await using file = await openAtomic(path)
  await file.handle.writeFile(data)
  await file.commit()
}

/** The SHA-256 of a file's bytes in hexadecimal; `onBytes` hears of each piece, `signal` stops it. */
export async function sha256File(
  path: string,
  options: {readonly signal?: AbortSignal | undefined; readonly onBytes?: (bytes: number) => void} = {},
): Promise<string> {
  const hash = createHash('sha256')
  const piece = Buffer.allocUnsafeSlow(4 << 20)
  const handle = await open(path, 'r')
  try {
    for (;;) {
      options.signal?.throwIfAborted()
      const {bytesRead} = await handle.read(piece, 0, piece.length, null)
      if (bytesRead === 0) return hash.digest('hex')
      hash.update(piece.subarray(0, bytesRead))
      options.onBytes?.(bytesRead)
    }
  } finally {
    await handle.close()
  }
}

/** Writes bytes at a place of a file. */
export async function writeAll(handle: FileHandle, bytes: Buffer, offset: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const {bytesWritten} = await handle.write(bytes, done, bytes.length - done, offset + done)
    done += bytesWritten
  }
}

/** The parsed content of a JSON file of our own, or undefined when it is missing or damaged: such files are rebuilt. */
export async function readOwnJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as unknown
  } catch {
    return undefined
  }
}

/** Removes what killed processes of this machine left unfinished in a folder; a missing folder has none. */
export async function removeLeftovers(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => [])
  const isLeftover = (name: string): boolean => {
    const [, host, pid] = /^\..*\.([^.]+)-(\d+)-[0-9a-f]{8}\.tmp$/.exec(name) ?? []
    return host === hostLabel() && pid !== undefined && !isRunning(Number(pid))
  }
  const remove = (name: string): Promise<void> => rm(join(folder, name), {recursive: true, force: true})
  await Promise.all(names.filter(isLeftover).map(remove))
}

/** A name beside `path` that is hidden, says whose it is, and cannot meet that of another process. */
export function temporaryName(path: string): string {
  const unique = `${hostLabel()}-${process.pid}-${randomBytes(4).toString('hex')}`
  return join(dirname(path), `.${basename(path).slice(0, 160)}.${unique}.tmp`)
}

// Process ids mean nothing on another machine or in another container that shares the folder.
function hostLabel(): string {
  return (
    hostname()
      .replace(/[^A-Za-z0-9]/g, '')
      .slice(0, 40) || 'host'
  )
}

/** Whether a process of this machine lives; one of another user answers EPERM, which also means that it does. */
export function isRunning(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return true
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

// A failed rename must not leave the unfinished file behind.
async function renameOrRemove(from: string, to: string): Promise<void> {
  try {
    await rename(from, to)
  } catch (error) {
    await rm(from, {force: true})
    throw error
  }
}

/** Without this a power cut may forget a new name. Windows cannot open folders, and needs no such call. */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
