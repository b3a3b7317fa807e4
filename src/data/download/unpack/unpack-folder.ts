import {mkdir, open} from 'node:fs/promises'
import {dirname, join} from 'node:path'
import {throwIfInterrupted} from '../../../breathe.js'
import {FormatError, printable} from '../../../errors.js'
import {requireSpace} from '../disk-space.js'
import {nameProblem, plainName} from './entry-names.js'

/** How much an archive may unpack to. */
export type UnpackLimits = {
  /** @default 128 GiB */
  readonly maxBytes?: number | undefined
  /** Files and folders. @default 500000 */
  readonly maxFiles?: number | undefined
  /** Unpacked bytes by archive bytes, looked at from 1 MiB on. @default 200 */
  readonly maxRatio?: number | undefined
}

const defaultMaxBytes = 128 * 2 ** 30
const defaultMaxFiles = 500_000
const defaultMaxRatio = 200
const ratioFromBytes = 2 ** 20

/** Writes what an archive holds into a new folder, and nothing anywhere else; every limit is kept here. */
export class UnpackFolder {
  readonly #folder: string | undefined
  readonly #archive: {readonly path: string; readonly sizeBytes: number}
  readonly #limits: UnpackLimits
  readonly #signal: AbortSignal | undefined
  /** What is there, by a form of the name that is the same on systems that do not tell case apart. */
  readonly #entries = new Map<string, 'file' | 'folder'>()
  #writtenBytes = 0

  /** @param folder - must exist and be empty; without one everything is checked and nothing written */
  constructor(
    folder: string | undefined,
    archive: {readonly path: string; readonly sizeBytes: number},
    limits: UnpackLimits,
    signal: AbortSignal | undefined,
  ) {
    this.#folder = folder
    this.#archive = archive
    this.#limits = limits
    this.#signal = signal
  }

  /** Bytes written so far. */
  get writtenBytes(): number {
    return this.#writtenBytes
  }

  async addFolder(rawName: string): Promise<void> {
    const name = plainName(rawName)
    if (name === '' || name === '.') return
    this.#register(name, 'folder')
    if (this.#folder === undefined) return
    await mkdir(join(this.#folder, name), {recursive: true})
  }

  /** Writes one file; its mode is ours, whatever the archive says. */
  async addFile(rawName: string, body: AsyncIterable<Buffer>): Promise<void> {
    const name = plainName(rawName)
    this.#register(name, 'file')
    if (this.#folder === undefined) return this.#readOnly(body)
    const path = join(this.#folder, name)
    await mkdir(dirname(path), {recursive: true})
    const handle = await open(path, 'wx', 0o644)
    try {
      for await (const chunk of body) {
        throwIfInterrupted(this.#signal)
        this.count(chunk.length)
        await handle.writeFile(chunk)
      }
      await handle.sync()
    } finally {
      await handle.close()
    }
  }

  async #readOnly(body: AsyncIterable<Buffer>): Promise<void> {
    for await (const chunk of body) {
      throwIfInterrupted(this.#signal)
      this.count(chunk.length)
    }
  }

  /** Adds to what is unpacked, before it is written. */
  count(bytes: number): void {
    this.#writtenBytes += bytes
    this.checkSize(this.#writtenBytes)
  }

  /** Refuses a total size, declared or real, that no honest archive has. */
  checkSize(totalBytes: number): void {
    const maxBytes = this.#limits.maxBytes ?? defaultMaxBytes
    const maxRatio = this.#limits.maxRatio ?? defaultMaxRatio
    if (totalBytes > maxBytes) throw this.broken('E_ARC_BOMB', `it unpacks to more than ${maxBytes} bytes`)
    if (totalBytes > ratioFromBytes && totalBytes > maxRatio * this.#archive.sizeBytes) {
      throw this.broken('E_ARC_BOMB', `it unpacks to more than ${maxRatio} times its size`)
    }
  }

  /** Checks that the disk has room for a declared size. */
  async requireSpace(totalBytes: number): Promise<void> {
    if (this.#folder !== undefined) await requireSpace(this.#folder, totalBytes, 'What is unpacked')
  }

  /** Refuses a number of files, declared or real, that no honest archive has. */
  checkCount(files: number): void {
    const maxFiles = this.#limits.maxFiles ?? defaultMaxFiles
    if (files > maxFiles) throw this.broken('E_ARC_BOMB', `it holds more than ${maxFiles} files`)
  }

  /** The error of this archive, about one of its entries where there is one. */
  broken(code: string, what: string, entry?: string, cause?: unknown): FormatError {
    const place = entry === undefined ? '' : ` at the entry "${printable(entry)}"`
    return new FormatError(code, `${printable(this.#archive.path, 300)} is not unpacked: ${what}${place}.`, {
      next: 'It may be damaged or not what it should be: fetch it from another --mirror.',
      ...(cause === undefined ? {} : {cause}),
    })
  }

  /** Takes a name into the list, with the folders it lies in, unless it clashes with another. */
  #register(name: string, kind: 'file' | 'folder'): void {
    const problem = nameProblem(name)
    if (problem !== undefined) throw this.broken('E_ARC_PATH', problem, name)
    const parts = name.normalize('NFC').toLowerCase().split('/')
    for (let length = 1; length <= parts.length; length++) {
      const key = parts.slice(0, length).join('/')
      const wanted = length < parts.length ? 'folder' : kind
      const present = this.#entries.get(key)
      if (present !== undefined && (present === 'file' || wanted === 'file')) {
        throw this.broken('E_ARC_DUP', 'two entries have one name', name)
      }
      this.#entries.set(key, wanted)
    }
    this.checkCount(this.#entries.size)
  }
}
