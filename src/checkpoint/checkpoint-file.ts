import {printable} from '../errors.js'
import {broken, FileSource} from '../formats/byte-source.js'
import type {ByteSource} from '../formats/byte-source.js'
import {Payload} from '../formats/payload.js'
import {readModelFile} from '../formats/pdparams.js'
import type {ModelFile} from '../formats/pdparams.js'
import {sniff} from '../formats/sniff.js'
import type {StoredTensor} from '../formats/stored-tensor.js'
import {readTorchFile} from '../formats/torch.js'
import type {DraftMetadata, Metadata, TensorRecord} from './metadata.js'
import {isCurrentForm, isMetadata, readMetadata, readMetadataJson} from './read-metadata.js'
import type {AnyMetadata} from './read-metadata.js'
import {contentSample} from './sample.js'
import {payloadPath, readSidecar, stale} from './sidecar.js'
import {namelessTensor, structureInMetadata, structureOf} from './structure.js'
import type {Structure} from './structure.js'

/** How a checkpoint lies on the disk. */
export type Container = ModelFile['container'] | 'torch-zip' | 'torch-legacy' | 'metadata'

/** A checkpoint of any form, open. */
export type CheckpointFile = Disposable & {
  /** As it was given. */
  readonly path: string
  readonly container: Container
  /** The file with the numbers: another one than `path` where that is a description. */
  readonly source: ByteSource
  readonly tensors: readonly StoredTensor[]
  readonly structure: Structure
  /** What its JSON says; undefined without one, or if it is of another version of the file. */
  readonly metadata: Metadata | undefined
}

/**
 * Opens a checkpoint of any form by its content: a file of Paddle, PyTorch or safetensors, or a description.
 * @throws FormatError for a damaged or hostile file, CheckpointError E_META_STALE
 */
export function openCheckpoint(path: string): CheckpointFile {
  const source = new FileSource(path)
  try {
    if (!isJson(source)) return openPlain(path, source)
  } catch (error) {
    source[Symbol.dispose]()
    throw error
  }
  using description = source
  return openDescribed(path, description)
}

/** Whether a file begins as a JSON object does; no other form of a checkpoint does. */
export function isJson(source: ByteSource): boolean {
  return /^\s*\{/.test(source.read(0, Math.min(64, source.sizeBytes)).toString('latin1'))
}

function openPlain(path: string, source: FileSource): CheckpointFile {
  const kind = sniff(source)
  const sidecar = readSidecar(path)
  const metadata = sidecar?.isCurrent === true ? sidecar.metadata : undefined
  const common = {path, source, metadata, [Symbol.dispose]: closing(source)}
  if (kind === 'torch-zip' || kind === 'torch-legacy') {
    return {
      ...common,
      container: kind,
      tensors: readTorchFile(source).tensors,
      structure: {nameTable: 'identity'},
    }
  }
  const model = readModelFile(source)
  const own = model.metadata === undefined ? structureOf(model) : structureInMetadata(source, model.metadata)
  const structure = own ?? metadata?.structure ?? {nameTable: 'identity'}
  const tensors = model.tensors.map((tensor) => withStructure(tensor, structure))
  return {...common, container: model.container, tensors, structure}
}

function closing(file: FileSource): () => void {
  return () => {
    file[Symbol.dispose]()
  }
}

// A safetensors file has one level of names and no C128.
function withStructure(tensor: StoredTensor, structure: Structure): StoredTensor {
  const name = tensor.name === '' ? namelessTensor : tensor.name
  const path = structure.paths?.find((entry) => entry.name === name)?.path ?? tensor.path
  const isComplex = tensor.dtype === 'F64' && structure.complex128?.includes(name) === true
  return {
    ...tensor,
    name,
    path,
    ...(isComplex ? {dtype: 'C128' as const, shape: tensor.shape.slice(0, -1)} : {}),
  }
}

function openDescribed(path: string, description: FileSource): CheckpointFile {
  if (!isMetadata(readMetadataJson(description)))
    throw broken(description, 'E_META_VERSION', 'this JSON does not describe a checkpoint')
  const metadata = readMetadata(description)
  const payload = openPayload(path, metadata)
  const structure = isCurrentForm(metadata) ? metadata.structure : {nameTable: 'identity' as const}
  return {
    path,
    container: 'metadata',
    source: payload,
    tensors: metadata.tensors.map((tensor) => storedTensor(tensor, structure)),
    structure,
    metadata: isCurrentForm(metadata) ? metadata : undefined,
    [Symbol.dispose]: closing(payload),
  }
}

/**
 * Opens what a description points to.
 * @throws FormatError E_META_FILE, E_META_FILES, E_META_OFFSET, CheckpointError E_META_STALE
 */
export function openPayload(path: string, metadata: AnyMetadata): FileSource {
  const file = payloadPath(path, {file: payloadName(path, metadata)})
  let payload: FileSource
  try {
    payload = new FileSource(file)
  } catch (error) {
    const what = `the file that it describes, ${printable(file, 300)}, cannot be opened`
    throw broken({name: path}, 'E_META_FILE', `${what}: ${error instanceof Error ? error.message : ''}`)
  }
  try {
    checkPayload(path, metadata, payload)
    return payload
  } catch (error) {
    payload[Symbol.dispose]()
    throw error
  }
}

function checkPayload(path: string, metadata: AnyMetadata, payload: FileSource): void {
  const {sizeBytes} = payload
  if (isCurrentForm(metadata)) {
    const isSame = metadata.sizeBytes === sizeBytes && metadata.sampleSha256 === contentSample(payload)
    if (!isSame) throw stale(payload.name, path)
    return
  }
  const beyond = metadata.tensors.find(({offset, nbytes}) => offset + nbytes > sizeBytes)
  if (beyond === undefined) return
  const what = `"${printable(beyond.name)}" ends beyond the ${sizeBytes} bytes of ${printable(payload.name, 300)}`
  throw broken({name: path}, 'E_META_OFFSET', what)
}

function payloadName(path: string, metadata: AnyMetadata): string {
  if (isCurrentForm(metadata)) return metadata.file
  const files = new Set(metadata.tensors.map(({file}: DraftMetadata['tensors'][number]) => file))
  const [first] = files
  if (files.size === 1 && first !== undefined) return first
  throw broken({name: path}, 'E_META_FILES', `it describes ${files.size} files, and only one can be used`)
}

function storedTensor(
  {name, dtype, shape, offset, nbytes}: TensorRecord,
  structure: Structure,
): StoredTensor {
  const path = structure.paths?.find((entry) => entry.name === name)?.path ?? [name]
  return {name, path, dtype, shape, pieces: [Payload.raw('bytes', offset, nbytes)]}
}
