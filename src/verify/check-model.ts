import {createHash} from 'node:crypto'
import {existsSync} from 'node:fs'
import {basename} from 'node:path'

import {breathe} from '../breathe.js'
import {checkFinite, checkModel, isWeightDtype} from '../checkpoint/model-check.js'
import type {TensorRecord} from '../checkpoint/metadata.js'
import {knownNames, knownShape, modelSpec, unusedPrefixes} from '../checkpoint/model-spec.js'
import type {ModelSpec} from '../checkpoint/model-spec.js'
import {openPayload} from '../checkpoint/checkpoint-file.js'
import {isCurrentForm, readMetadata} from '../checkpoint/read-metadata.js'
import {payloadPath, readSidecar, stale} from '../checkpoint/sidecar.js'
import type {ModelConfig} from '../config/model.js'
import {didYouMean} from '../did-you-mean.js'
import {printable} from '../errors.js'
import {broken, FileSource} from '../formats/byte-source.js'
import type {ByteSource} from '../formats/byte-source.js'
import {Payload} from '../formats/payload.js'
import {readModelFile} from '../formats/pdparams.js'
import {readSafetensors} from '../formats/safetensors.js'
import type {StoredTensor} from '../formats/stored-tensor.js'
import {readTorchFile} from '../formats/torch.js'

export type ModelCheckOptions = {
  readonly config: ModelConfig | undefined
  readonly signal: AbortSignal | undefined
}

/** Checks a file of weights: its form, its numbers, its names and shapes, and what the JSON beside it says. */
export async function checkWeights(
  path: string,
  kind: 'pdparams' | 'safetensors' | 'torch',
  {config, signal}: ModelCheckOptions,
): Promise<void> {
  using source = new FileSource(path)
  const tensors = tensorsOf(source, kind)
  if (config !== undefined) checkModel(source, tensors, wantedTensors(config, tensors.length))
  else {
    if (tensors.length === 0 && kind !== 'safetensors')
      throw broken(source, 'E_NO_TENSORS', 'the file holds no tensors')
    if (kind !== 'torch') checkNames(source, tensors)
    checkFinite(source, tensors)
  }
  const sidecar = readSidecar(path)
  if (sidecar === undefined) return
  if (!sidecar.isCurrent) throw stale(path, sidecar.path)
  await checkHashes(source, sidecar.metadata.tensors, signal)
}

/** Checks the description of a checkpoint, and its payload where that is there. */
export async function checkMetadata(path: string, {signal}: ModelCheckOptions): Promise<void> {
  using source = new FileSource(path)
  const metadata = readMetadata(source)
  // The first draft of the form travels without its payloads; today's description is nothing without its own.
  if (!isCurrentForm(metadata) && metadata.tensors.some((tensor) => !existsSync(payloadPath(path, tensor))))
    return
  using payload = openPayload(path, metadata)
  await checkHashes(payload, metadata.tensors, signal)
}

function tensorsOf(source: ByteSource, kind: 'pdparams' | 'safetensors' | 'torch'): readonly StoredTensor[] {
  if (kind === 'torch') return readTorchFile(source).tensors
  return kind === 'safetensors' ? readSafetensors(source).tensors : readModelFile(source).tensors
}

// A file may hold all of a model, or what referring expressions need of it.
function wantedTensors(config: ModelConfig, count: number): ModelSpec {
  const spec = modelSpec(config)
  const unused = unusedPrefixes(config)
  const needed = [...spec].filter(([name]) => !unused.some((prefix) => name.startsWith(prefix)))
  return count === needed.length ? new Map(needed) : spec
}

const shownNames = 5

// A file whose names are mostly those of a ViLBERT is one, and then every name and what it implies must be right.
function checkNames(source: ByteSource, tensors: readonly StoredTensor[]): void {
  const named = tensors.map((tensor) => ({tensor, name: tensor.path.at(-1) ?? ''}))
  const plain = (name: string): string => name.replace(/^(?:module\.)+/, '')
  if (named.filter(({name}) => knownShape(plain(name)) !== undefined).length * 2 <= named.length) return
  const unknown = named.filter(({name}) => knownShape(name) === undefined).map(({name}) => name)
  if (unknown.length > 0) {
    const shown = unknown.slice(0, shownNames).map((name) => {
      const meant = knownShape(plain(name)) === undefined ? didYouMean(name, knownNames) : plain(name)
      return `${printable(name)}${meant === undefined ? '' : ` (for ${meant}?)`}`
    })
    const more = unknown.length > shownNames ? ', …' : ''
    throw broken(
      source,
      'E_EXTRA',
      `${unknown.length} names are not of this model: ${shown.join(', ')}${more}`,
    )
  }
  for (const {tensor, name} of named) checkKnown(source, tensor, name)
}

function checkKnown(source: ByteSource, {dtype, shape}: StoredTensor, name: string): void {
  const known = knownShape(name) ?? []
  const isScale = known.length === 0 && shape.length <= 1 && (shape[0] ?? 1) === 1
  const fits =
    known.length === shape.length && known.every((size, axis) => size === null || size === shape[axis])
  if (!fits && !isScale) {
    const wanted = known.map((size) => size ?? 'any').join(', ')
    throw broken(
      source,
      'E_SHAPE',
      `"${printable(name)}" has shape [${shape.join(', ')}], wanted [${wanted}]`,
    )
  }
  if (!isWeightDtype(dtype))
    throw broken(source, 'E_SPEC_DTYPE', `"${printable(name)}" is ${dtype}, wanted F32, F16 or BF16`)
}

async function checkHashes(
  source: ByteSource,
  tensors: readonly TensorRecord[],
  signal: AbortSignal | undefined,
): Promise<void> {
  for (const {name, offset, nbytes, sha256} of tensors) {
    const hash = createHash('sha256')
    for (const piece of Payload.raw('bytes', offset, nbytes).pieces(source)) hash.update(piece)
    if (hash.digest('hex') !== sha256) {
      const what = `"${printable(name)}" is not what its description says: its numbers were changed or damaged`
      throw broken({name: basename(source.name)}, 'E_CHECKSUM', what, offset)
    }
    await breathe(signal)
  }
}
