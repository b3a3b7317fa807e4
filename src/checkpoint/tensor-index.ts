import {dirname, join, resolve} from 'node:path'

import {CheckpointError, printable} from '../errors.js'
import {cannotWrite, defaultCacheFolder, isWriteRefusal, openCacheFolder} from '../data/cache-folder.js'
import {combine, Fingerprints} from '../data/fingerprint.js'
import {FileSource} from '../formats/byte-source.js'
import type {ByteSource} from '../formats/byte-source.js'
import {tensorBytes} from '../formats/dtypes.js'
import {isJson, openCheckpoint} from './checkpoint-file.js'
import {readModelFile} from '../formats/pdparams.js'
import type {PlacedTensor} from '../formats/safetensors-writer.js'
import {isWritten, safetensorsLayout, writeSafetensors} from '../formats/safetensors-writer.js'
import {readSafetensors} from '../formats/safetensors.js'
import {rawOffset} from '../formats/stored-tensor.js'
import type {StoredTensor} from '../formats/stored-tensor.js'

/** A file of weights as numbers that can be mapped into memory: no code, no copy. */
export type TensorIndex = {
  readonly file: string
  readonly tensors: readonly PlacedTensor[]
}

/** Where {@link indexWeights} may write. */
export type IndexOptions = {
  /** Where numbers that an old protocol stores as text are decoded to. @default `.vilbert-ts` beside the file */
  readonly cacheDir?: string | undefined
  readonly signal?: AbortSignal | undefined
}

/** Raise it when the decoded form changes. */
const formVersion = '1'

/**
 * Finds the numbers of every tensor of a weights file of any form that the program reads, by its content.
 * @throws FormatError for a damaged or hostile file, CheckpointError E_NO_TENSORS for one without tensors
 */
export async function indexWeights(file: string, options: IndexOptions = {}): Promise<TensorIndex> {
  using source = new FileSource(file)
  if (isJson(source)) return indexDescribed(file)
  const decoded = await findDecoded(file, options)
  if (decoded !== undefined) return decoded
  const model = readModelFile(source)
  if (model.tensors.length === 0) throw noTensors(file)
  const entries = model.tensors.map(rawEntry)
  if (entries.every((entry) => entry !== undefined)) return {file: resolve(file), tensors: entries}
  return await indexDecoded(file, source, model.tensors, options)
}

/** The error of a file that is readable but holds no tensor. */
export function noTensors(file: string): CheckpointError {
  const message = `${printable(file, 300)}: the file holds no tensors.`
  return new CheckpointError(message, {
    code: 'E_NO_TENSORS',
    next: 'Pass the file of a model that was trained.',
  })
}

// A description says itself where the numbers are; opening it checks that it is of this very payload.
function indexDescribed(file: string): TensorIndex {
  using checkpoint = openCheckpoint(file)
  if (checkpoint.tensors.length === 0) throw noTensors(file)
  const entries = checkpoint.tensors.map(rawEntry)
  return {file: resolve(checkpoint.source.name), tensors: entries.filter((entry) => entry !== undefined)}
}

function rawEntry(tensor: StoredTensor): PlacedTensor | undefined {
  const {name, dtype, shape} = tensor
  const offset = rawOffset(tensor)
  return offset === undefined ? undefined : {name, dtype, shape, offset, nbytes: tensorBytes(dtype, shape)}
}

// A file that was decoded before and has not changed since need not be read again.
async function findDecoded(file: string, options: IndexOptions): Promise<TensorIndex | undefined> {
  const folder = resolve(options.cacheDir ?? defaultCacheFolder(dirname(file)))
  const fingerprint = await (await Fingerprints.open(folder)).known(file)
  if (fingerprint === undefined) return undefined
  const target = decodedFile(folder, fingerprint)
  try {
    using source = new FileSource(target)
    const entries = readSafetensors(source).tensors.map(rawEntry)
    return {file: target, tensors: entries.filter((entry) => entry !== undefined)}
  } catch {
    return undefined
  }
}

function decodedFile(folder: string, fingerprint: string): string {
  return join(folder, `weights-${combine(formVersion, fingerprint)}.safetensors`)
}

// Old protocols store bytes as text, in slices or in another order: decoded once into a file that can be mapped.
async function indexDecoded(
  file: string,
  source: ByteSource,
  tensors: readonly StoredTensor[],
  options: IndexOptions,
): Promise<TensorIndex> {
  const folder = resolve(await openCacheFolder(dirname(resolve(file)), options.cacheDir))
  try {
    const fingerprints = await Fingerprints.open(folder)
    const fingerprint = await fingerprints.ofFile(file, {signal: options.signal})
    await fingerprints.save()
    const target = decodedFile(folder, fingerprint)
    const layout = safetensorsLayout(tensors, {source: fingerprint})
    if (!isWritten(target, layout)) await writeSafetensors(target, source, layout, options.signal)
    return {file: target, tensors: layout.entries}
  } catch (error) {
    throw isWriteRefusal(error) ? cannotWrite(folder, error) : error
  }
}
