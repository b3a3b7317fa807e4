import {createHash} from 'node:crypto'
import {stat} from 'node:fs/promises'
import {join, resolve} from 'node:path'

import {z} from 'zod'

import {readOwnJson, sha256File, writeFileAtomic} from '../files.js'
import {FileSource} from '../formats/byte-source.js'
import type {ByteSource} from '../formats/byte-source.js'
import {Lmdb} from '../formats/lmdb.js'
import {throwIfInterrupted} from '../breathe.js'

export type FingerprintOptions = {
  readonly signal?: AbortSignal | undefined
  readonly onBytes?: (bytes: number) => void
}

const largestHashedLmdbBytes = 512 * 2 ** 20
const sampledBlocks = 64
const sampledBlockBytes = 64 * 2 ** 10

const rememberedSchema = z.object({
  sizeBytes: z.number(),
  mtimeNs: z.string(),
  inode: z.string(),
  fingerprint: z.string(),
})
const memorySchema = z.array(z.tuple([z.string(), rememberedSchema]))
type Remembered = z.infer<typeof rememberedSchema>

/**
 * Fingerprints of files by their content. Those of files that have not changed since (size, time, inode) are
 * remembered in a small file in the cache folder, so that a second start does not read a gigabyte.
 */
export class Fingerprints {
  readonly #file: string
  readonly #memory: Map<string, Remembered>
  #changed = false

  private constructor(file: string, memory: Map<string, Remembered>) {
    this.#file = file
    this.#memory = memory
  }

  static async open(cacheDir: string): Promise<Fingerprints> {
    const file = join(cacheDir, 'fingerprints.json')
    const known = memorySchema.safeParse(await readOwnJson(file))
    return new Fingerprints(file, new Map(known.success ? known.data : []))
  }

  /** SHA-256 of a file. */
  async ofFile(path: string, options: FingerprintOptions = {}): Promise<string> {
    return this.#remembered(path, async () => `sha256:${await sha256File(path, options)}`)
  }

  /** SHA-256 of an LMDB's pages up to 512 MiB; above that of its size, time, meta pages and blocks spread over it. */
  async ofLmdb(file: string, options: FingerprintOptions = {}): Promise<string> {
    const {size, mtimeMs} = await stat(file)
    if (size <= largestHashedLmdbBytes) return this.ofFile(file, options)
    return this.#remembered(file, () => Promise.resolve(`sampled:${sampleLmdb(file, mtimeMs, options)}`))
  }

  /** Writes what was learned; a cache that cannot be written only costs time. */
  async save(): Promise<void> {
    if (!this.#changed) return
    await writeFileAtomic(this.#file, `${JSON.stringify([...this.#memory], undefined, 1)}\n`)
    this.#changed = false
  }

  /** The fingerprint of a file that was taken before and still holds, without taking one. */
  async known(path: string): Promise<string | undefined> {
    const remembered = this.#memory.get(resolve(path))
    if (remembered === undefined) return undefined
    const {sizeBytes, mtimeNs, inode} = await identify(path)
    const isUnchanged =
      remembered.sizeBytes === sizeBytes && remembered.mtimeNs === mtimeNs && remembered.inode === inode
    return isUnchanged ? remembered.fingerprint : undefined
  }

  async #remembered(path: string, compute: () => Promise<string>): Promise<string> {
    const known = await this.known(path)
    if (known !== undefined) return known
    const identity = await identify(path)
    const fingerprint = await compute()
    this.#memory.set(resolve(path), {...identity, fingerprint})
    this.#changed = true
    return fingerprint
  }
}

async function identify(path: string): Promise<Omit<Remembered, 'fingerprint'>> {
  const {size, mtimeNs, dev, ino} = await stat(path, {bigint: true})
  return {sizeBytes: Number(size), mtimeNs: String(mtimeNs), inode: `${dev}:${ino}`}
}

/** One short fingerprint of several. */
export function combine(...parts: readonly string[]): string {
  return createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 24)
}

function sampleLmdb(file: string, mtimeMs: number, options: FingerprintOptions): string {
  using lmdb = new Lmdb(file)
  using source = new FileSource(file)
  const hash = createHash('sha256')
  hash.update(`${source.sizeBytes} ${mtimeMs}`)
  hash.update(lmdb.metaBytes)
  for (const block of spreadBlocks(source)) {
    throwIfInterrupted(options.signal)
    hash.update(block)
    options.onBytes?.(source.sizeBytes / sampledBlocks)
  }
  return hash.digest('hex')
}

function* spreadBlocks(source: ByteSource): Generator<Buffer, void, undefined> {
  const step = Math.floor((source.sizeBytes - sampledBlockBytes) / (sampledBlocks - 1))
  for (let block = 0; block < sampledBlocks; block++) yield source.read(block * step, sampledBlockBytes)
}
