import {stat} from 'node:fs/promises'

import {breathe} from '../breathe.js'
import {elementCount, tensorBytes} from '../formats/dtypes.js'
import {openCheckpoint} from './checkpoint-file.js'
import type {CheckpointFile, Container} from './checkpoint-file.js'
import type {Metadata} from './metadata.js'
import {readSidecar} from './sidecar.js'
import {tensorStatistics} from './statistics.js'
import type {TensorStatistics} from './statistics.js'

/** The file of {@link inspectCheckpoint}. */
export type InspectOptions = {
  readonly file: string
  /** Reads every number, too. @default false */
  readonly stats?: boolean | undefined
  readonly signal?: AbortSignal | undefined
  /** Told how many bytes are read, of all. */
  readonly onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined
}

/** A tensor of a checkpoint; its statistics only if they were asked for. */
export type InspectedTensor = {
  readonly name: string
  readonly dtype: string
  readonly shape: readonly number[]
  readonly nbytes: number
  readonly stats?: TensorStatistics
}

/** What a checkpoint holds, and whether the JSON beside it describes it. */
export type Inspection = {
  readonly file: string
  readonly container: Container
  readonly sizeBytes: number
  readonly tensors: readonly InspectedTensor[]
  /** Numbers in all tensors together. */
  readonly numbers: number
  /** How many tensors there are of each type. */
  readonly dtypes: Readonly<Record<string, number>>
  /** What else the file holds: the state of a schedule, names. */
  readonly scalars: readonly {readonly path: readonly string[]; readonly value: unknown}[]
  /** What its JSON says; null without one. */
  readonly metadata: Omit<Metadata, 'tensors' | 'structure'> | null
  /** `missing`, `current`, or `stale` where the JSON is of another version of the file. */
  readonly metadataState: 'missing' | 'current' | 'stale'
}

/**
 * Tells what a checkpoint holds without reading its numbers, whatever its size, and without Python.
 * @throws FormatError, CheckpointError
 */
export async function inspectCheckpoint(options: InspectOptions): Promise<Inspection> {
  const {file} = options
  using checkpoint = openCheckpoint(file)
  const dtypes: Record<string, number> = {}
  for (const {dtype} of checkpoint.tensors) dtypes[dtype] = (dtypes[dtype] ?? 0) + 1
  return {
    file,
    container: checkpoint.container,
    sizeBytes: (await stat(file)).size,
    tensors: await inspectTensors(checkpoint, options),
    numbers: checkpoint.tensors.reduce((sum, {shape}) => sum + elementCount(shape), 0),
    dtypes,
    scalars: checkpoint.structure.scalars ?? [],
    metadata: headOf(checkpoint.metadata),
    metadataState: stateOf(checkpoint),
  }
}

async function inspectTensors(
  {source, tensors}: CheckpointFile,
  {stats, signal, onProgress}: InspectOptions,
): Promise<InspectedTensor[]> {
  const totalBytes = tensors.reduce((sum, {dtype, shape}) => sum + tensorBytes(dtype, shape), 0)
  const inspected: InspectedTensor[] = []
  let doneBytes = 0
  for (const tensor of tensors) {
    const {name, dtype, shape} = tensor
    const nbytes = tensorBytes(dtype, shape)
    const statistics = stats === true ? tensorStatistics(source, tensor) : undefined
    inspected.push({name, dtype, shape, nbytes, ...(statistics === undefined ? {} : {stats: statistics})})
    if (stats !== true) continue
    onProgress?.((doneBytes += nbytes), totalBytes)
    await breathe(signal)
  }
  return inspected
}

function headOf(metadata: Metadata | undefined): Inspection['metadata'] {
  if (metadata === undefined) return null
  const head: Partial<Metadata> = {...metadata}
  delete head.tensors
  delete head.structure
  return head as NonNullable<Inspection['metadata']>
}

function stateOf({path, metadata}: CheckpointFile): Inspection['metadataState'] {
  if (metadata !== undefined) return 'current'
  return readSidecar(path) === undefined ? 'missing' : 'stale'
}
