import {existsSync} from 'node:fs'
import {basename, dirname, join} from 'node:path'

import {CheckpointError, printable} from '../errors.js'
import {FileSource} from '../formats/byte-source.js'
import type {ByteSource} from '../formats/byte-source.js'
import {readModelFile} from '../formats/pdparams.js'
import type {Metadata} from './metadata.js'
import {
  isCurrentForm,
  isMetadata,
  readCheckpointMetadata,
  readMetadata,
  readMetadataJson,
} from './read-metadata.js'
import {contentSample} from './sample.js'

/** The JSON beside a checkpoint. */
export type Sidecar = {
  readonly path: string
  readonly metadata: Metadata
  /** Whether it is of this very content: saving may have been killed between the two files. */
  readonly isCurrent: boolean
}

/** `best.pdparams` has `best.json` beside it, or `best.pdparams.json` where that name belongs to another file. */
export function sidecarPaths(checkpoint: string): readonly [string, string] {
  return [
    `${checkpoint.replace(/\.(pdparams|pdopt|pdtensor|safetensors|bin)$/, '')}.json`,
    `${checkpoint}.json`,
  ]
}

/**
 * Finds the JSON that describes a checkpoint; undefined where there is none.
 * @throws FormatError if a JSON beside it cannot be read
 */
export function readSidecar(checkpoint: string): Sidecar | undefined {
  if (!existsSync(checkpoint)) return undefined
  for (const path of sidecarPaths(checkpoint)) {
    const metadata = path === checkpoint ? undefined : describing(path, basename(checkpoint))
    if (metadata === undefined) continue
    using source = new FileSource(checkpoint)
    const isCurrent =
      metadata.sizeBytes === source.sizeBytes && metadata.sampleSha256 === contentSample(source)
    return {path, metadata, isCurrent}
  }
  return undefined
}

/** Where the JSON of a checkpoint is to be written: no JSON of something else is overwritten. */
export function sidecarTarget(checkpoint: string): string {
  const [short, long] = sidecarPaths(checkpoint)
  return !existsSync(short) || describes(short, basename(checkpoint)) ? short : long
}

/** Whether a file is a description of a checkpoint, and of `file` where that is given. */
export function describes(path: string, file?: string): boolean {
  try {
    using source = new FileSource(path)
    if (!isMetadata(readMetadataJson(source))) return false
    return file === undefined || describing(path, file) !== undefined
  } catch {
    return false
  }
}

/**
 * The configuration that a checkpoint brings along: its own if it is a description, else of the JSON beside it.
 * @throws CheckpointError E_META_STALE if that JSON is of a model with other tensors
 */
export function checkpointConfig(checkpoint: string): unknown {
  if (checkpoint.endsWith('.json')) {
    const metadata = readCheckpointMetadata(checkpoint)
    return isCurrentForm(metadata) ? (metadata.config ?? undefined) : undefined
  }
  const sidecar = readSidecar(checkpoint)
  if (sidecar === undefined) return undefined
  if (!sidecar.isCurrent && !describesSameModel(checkpoint, sidecar.metadata))
    throw stale(checkpoint, sidecar.path)
  return sidecar.metadata.config ?? undefined
}

/** The error of a JSON that is not of the file beside it. */
export function stale(checkpoint: string, path: string): CheckpointError {
  const file = printable(basename(checkpoint), 300)
  return new CheckpointError(
    `${printable(path, 300)} describes another version of ${file}: it is not what was saved.`,
    {
      code: 'E_META_STALE',
      next: 'Saving may have been interrupted: move the JSON away and give the model with --config.',
    },
  )
}

function describing(path: string, file: string): Metadata | undefined {
  if (!existsSync(path)) return undefined
  using source = new FileSource(path)
  if (!isMetadata(readMetadataJson(source))) return undefined
  const metadata = readMetadata(source)
  return isCurrentForm(metadata) && metadata.file === file ? metadata : undefined
}

// Killed between the two files of a later epoch: the configuration is still the right one.
function describesSameModel(checkpoint: string, metadata: Metadata): boolean {
  using source: FileSource & ByteSource = new FileSource(checkpoint)
  const found = new Map(readModelFile(source).tensors.map(({name, shape}) => [name, shape.join()]))
  return (
    found.size === metadata.tensors.length &&
    metadata.tensors.every(({name, shape}) => found.get(name) === shape.join())
  )
}

/** The file that a description points to. */
export function payloadPath(metadataPath: string, metadata: {readonly file: string}): string {
  return join(dirname(metadataPath), metadata.file)
}
