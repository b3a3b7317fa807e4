import {createHash} from 'node:crypto'
import {constants} from 'node:fs'
import {open, rename, rm, type FileHandle} from 'node:fs/promises'
import {dirname} from 'node:path'
import {z} from 'zod'
import {readOwnJson, syncFolder, writeFileAtomic} from '../../files.js'

const stateSchema = z.object({
  /** SHA-256 of the address, because addresses can hold passwords. */
  urlSha256: z.string(),
  /** Strong ETag of the version that the bytes are of. */
  etag: z.string().optional(),
  lastModified: z.string().optional(),
  totalBytes: z.number().int().nonnegative().optional(),
})

/** Which version of which file the bytes of a part are. */
export type PartState = z.output<typeof stateSchema>

/**
 * The unfinished file beside its final name: `<name>.part`, and `<name>.part.json` saying what it is a part of. A
 * killed download is continued from it.
 */
export class PartFile implements AsyncDisposable {
  readonly path: string
  readonly #finalPath: string
  #handle: FileHandle
  #state: PartState | undefined
  #doneBytes: number
  #pieces: number

  private constructor(
    finalPath: string,
    handle: FileHandle,
    sizeBytes: number,
    state: PartState | undefined,
  ) {
    this.path = `${finalPath}.part`
    this.#finalPath = finalPath
    this.#handle = handle
    this.#doneBytes = sizeBytes
    this.#state = state
    this.#pieces = sizeBytes > 0 ? 1 : 0
  }

  /** Opens what an earlier download left, or an empty file. */
  static async open(finalPath: string): Promise<PartFile> {
    const handle = await openPart(`${finalPath}.part`)
    const {size} = await handle.stat()
    const state = stateSchema.safeParse(await readOwnJson(stateFile(finalPath)))
    return new PartFile(finalPath, handle, size, state.success ? state.data : undefined)
  }

  get doneBytes(): number {
    return this.#doneBytes
  }

  /** What the bytes are of, if that is known. */
  get state(): PartState | undefined {
    return this.#state
  }

  /** Whether the bytes came in several pieces, which a server may have cut from different files. */
  get isPatched(): boolean {
    return this.#pieces > 1
  }

  /** Whether all bytes are there already, because only the renaming was missing. */
  get isComplete(): boolean {
    return this.#doneBytes > 0 && this.#state?.totalBytes === this.#doneBytes
  }

  /** Starts again with an empty file; what it will be is written down before the first byte. */
  async begin(state: PartState): Promise<void> {
    await this.#truncate()
    this.#state = state
    this.#pieces = 1
    await writeFileAtomic(stateFile(this.#finalPath), JSON.stringify(state))
  }

  /** Says that the bytes to come continue those that are there. */
  continue(): void {
    this.#pieces++
  }

  async append(bytes: Uint8Array): Promise<void> {
    for (let written = 0; written < bytes.length;) {
      const {bytesWritten} = await this.#handle.write(
        bytes,
        written,
        bytes.length - written,
        this.#doneBytes + written,
      )
      written += bytesWritten
    }
    this.#doneBytes += bytes.length
  }

  /** Takes note of what another process (Python) has made of the file, which may be another file now. */
  async measure(): Promise<void> {
    await this.#handle.close()
    this.#handle = await openPart(this.path)
    this.#doneBytes = (await this.#handle.stat()).size
  }

  /** The first bytes. */
  async head(lengthBytes: number): Promise<Buffer> {
    const head = Buffer.alloc(lengthBytes)
    const {bytesRead} = await this.#handle.read(head, 0, lengthBytes, 0)
    return head.subarray(0, bytesRead)
  }

  /** Forgets the bytes: they are not what they should be. */
  async reset(): Promise<void> {
    await this.#truncate()
    this.#state = undefined
    await rm(stateFile(this.#finalPath), {force: true})
  }

  /** Makes the bytes safe on the disk and gives them the final name. */
  async commit(): Promise<void> {
    await this.#handle.sync()
    await this.#handle.close()
    await rename(this.path, this.#finalPath)
    await syncFolder(dirname(this.#finalPath))
    await rm(stateFile(this.#finalPath), {force: true})
  }

  /** Closes the file; what is there stays for the next try, an empty file does not. */
  async [Symbol.asyncDispose](): Promise<void> {
    const isEmpty = this.#doneBytes === 0
    await this.#handle.close()
    if (!isEmpty) return
    await rm(this.path, {force: true})
    await rm(stateFile(this.#finalPath), {force: true})
  }

  async #truncate(): Promise<void> {
    await this.#handle.truncate(0)
    this.#doneBytes = 0
    this.#pieces = 0
  }
}

/** How a part remembers an address. */
export function urlSha256(url: URL): string {
  return createHash('sha256').update(url.href).digest('hex')
}

function stateFile(finalPath: string): string {
  return `${finalPath}.part.json`
}

// A link laid in place of the part must not lead the bytes elsewhere; Windows has no such flag.
async function openPart(path: string): Promise<FileHandle> {
  const noFollow = (constants.O_NOFOLLOW as number | undefined) ?? 0
  return open(path, constants.O_RDWR | constants.O_CREAT | noFollow)
}
