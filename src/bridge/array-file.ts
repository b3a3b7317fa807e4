import {randomUUID} from 'node:crypto'
import {accessSync, constants} from 'node:fs'
import {mkdir, readdir, readFile, rm, statfs, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {delimiter, dirname, join} from 'node:path'
import {BridgeMessageError} from './errors.js'

/** Where an array's numbers lie, raw, little-endian and in C order; this is what crosses the bridge. */
export type ArrayReference = {
  readonly path: string
  readonly dtype: keyof typeof ARRAY_TYPES
  readonly shape: readonly number[]
}

/** An array file that lives as long as the block that holds it: `await using file = await arrays.write(…)`. */
export type ArrayFile = ArrayReference & AsyncDisposable

const ARRAY_TYPES = {
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
} as const

export type NumericArray = Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array

const FOLDER_PREFIX = 'vilbert-ts-arrays-'

/**
 * The files in which a bridge's arrays cross. An array of 80 MB takes 40 times longer as base64 and stops the event
 * loop for half a second; as a file it does neither. Nothing is made before the first array.
 */
export class ArrayFolder {
  /** Memory before disk; a container's /dev/shm may have room for nothing. */
  readonly #folders = arrayRoots().map((root) => join(root, `${FOLDER_PREFIX}${process.pid}-${randomUUID()}`))
  #written = 0

  /** The folders as Python is told them, in `VILBERT_ARRAY_FOLDERS`. */
  get environment(): Readonly<Record<string, string>> {
    return {VILBERT_ARRAY_FOLDERS: this.#folders.join(delimiter)}
  }

  /** Writes an array for Python; the file is removed when the result is disposed of. */
  async write(array: NumericArray, shape: readonly number[]): Promise<ArrayFile> {
    const dtype = dtypeOf(array)
    const count = shape.reduce((product, size) => product * size, 1)
    if (count !== array.length) {
      throw new BridgeMessageError(
        `An array of ${array.length} numbers does not have the shape [${shape.join(', ')}].`,
      )
    }
    const folder = await this.#folderWithRoom(array.byteLength)
    await mkdir(folder, {recursive: true, mode: 0o700})
    this.#written += 1
    const path = join(folder, `node-${this.#written}`)
    try {
      await writeFile(path, new Uint8Array(array.buffer, array.byteOffset, array.byteLength))
    } catch (error) {
      await rm(path, {force: true})
      throw new BridgeMessageError(`An array cannot be written to ${path}.`, {cause: error})
    }
    return {path, dtype, shape, [Symbol.asyncDispose]: () => rm(path, {force: true})}
  }

  /** Reads an array that Python wrote and removes its file. */
  async read({path, dtype, shape}: ArrayReference): Promise<NumericArray> {
    try {
      const bytes = await readFile(path)
      return viewOf(bytes, dtype, shape)
    } catch (error) {
      if (error instanceof BridgeMessageError) throw error
      throw new BridgeMessageError(`The array ${path} that Python wrote cannot be read.`, {cause: error})
    } finally {
      await rm(path, {force: true})
    }
  }

  /** Removes what a Python that is gone has left. */
  async removeOf(pythonPid: number): Promise<void> {
    for (const folder of this.#folders) {
      const names = await readdir(folder).catch(() => [])
      const left = names.filter((name) => name.startsWith(`python-${pythonPid}-`))
      await Promise.all(left.map((name) => rm(join(folder, name), {force: true})))
    }
  }

  /** Removes everything, and what Node processes that are gone have left. */
  async remove(): Promise<void> {
    await Promise.all(this.#folders.map((folder) => rm(folder, {recursive: true, force: true})))
    await removeAbandoned()
  }

  async #folderWithRoom(sizeBytes: number): Promise<string> {
    for (const folder of this.#folders.slice(0, -1)) {
      const {bavail, bsize} = await statfs(dirname(folder))
      if (bavail * bsize > 2 * sizeBytes) return folder
    }
    return this.#folders.at(-1) ?? tmpdir()
  }
}

function arrayRoots(): readonly string[] {
  try {
    accessSync('/dev/shm', constants.W_OK)
    return ['/dev/shm', tmpdir()]
  } catch {
    return [tmpdir()]
  }
}

function dtypeOf(array: NumericArray): ArrayReference['dtype'] {
  for (const [dtype, type] of Object.entries(ARRAY_TYPES)) {
    if (array instanceof type) return dtype as ArrayReference['dtype']
  }
  throw new BridgeMessageError('Only arrays of float32, float64, int32, int64 and uint8 cross the bridge.')
}

function viewOf(bytes: Buffer, dtype: ArrayReference['dtype'], shape: readonly number[]): NumericArray {
  const type = ARRAY_TYPES[dtype]
  const count = shape.reduce((product, size) => product * size, 1)
  if (bytes.byteLength !== count * type.BYTES_PER_ELEMENT) {
    const form = `${dtype} of shape [${shape.join(', ')}]`
    throw new BridgeMessageError(
      `The array that Python wrote has ${bytes.byteLength} bytes, which is not ${form}.`,
    )
  }
  const isAligned = bytes.byteOffset % type.BYTES_PER_ELEMENT === 0
  const {buffer, byteOffset} = isAligned ? bytes : new Uint8Array(bytes)
  return new type(buffer as ArrayBuffer, byteOffset, count)
}

/** A Node that was killed cannot clean up after itself; the next one does. */
async function removeAbandoned(): Promise<void> {
  for (const root of arrayRoots()) {
    const names = await readdir(root).catch(() => [])
    for (const name of names) {
      const owner = new RegExp(`^${FOLDER_PREFIX}(\\d+)-`).exec(name)?.[1]
      if (owner === undefined || isAlive(Number(owner))) continue
      await rm(join(root, name), {recursive: true, force: true}).catch(() => undefined)
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
