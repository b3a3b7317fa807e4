import {didYouMean} from '../did-you-mean.js'
import {CheckpointError, printable} from '../errors.js'
import type {StoredTensor} from '../formats/stored-tensor.js'
import {knownNames, knownShape} from './model-spec.js'

/** How names of PyTorch's ViLBERT files become ours, in this order: pattern, replacement. */
const renames: readonly (readonly [RegExp, string])[] = [
  [/^(?:module\.)+/, ''], // of a model that was trained on several GPUs
  [/(LayerNorm[12]?)\.gamma$/, '$1.weight'], // TensorFlow's names
  [/(LayerNorm[12]?)\.beta$/, '$1.bias'],
  [/^cls\.predictions\.bias$/, 'cls.predictions.decoder.bias'], // kept beside its layer
  [/^linguistic_logit\./, 'linguisic_logit.'], // the head's name is misspelt in the published code
]

/** What is in PyTorch's files and no parameter of the model: buffers, and the state of the training. */
const dropped: readonly RegExp[] = [
  /(?:^|\.)position_ids$/,
  /(?:^|\.)num_batches_tracked$/,
  /^(?:[a-z]+_)?(?:optimizer|scheduler|scaler)[^/]*\//,
]

/** Tables that are looked up and not multiplied: PyTorch and Paddle store them alike. */
const lookedUp = /^bert\.embeddings\.(?:word|position|token_type)_embeddings\.weight$/

/** What becomes of a tensor of a PyTorch file. */
export type TorchMapping = {
  readonly tensor: StoredTensor
  readonly name: string
  /** Whether its two axes change places, as PyTorch's linear layers have [out, in]. */
  readonly isTransposed: boolean
  readonly shape: readonly number[]
}

/** The tensors of a PyTorch file under their names here, and the names of those that are left out. */
export type TorchMap = {readonly mappings: readonly TorchMapping[]; readonly dropped: readonly string[]}

/**
 * Maps the tensors of a PyTorch file of weights to those of the model.
 * @throws CheckpointError E_TORCH_NAMES listing the names that the model does not have
 */
export function mapTorchTensors(file: string, tensors: readonly StoredTensor[]): TorchMap {
  const left = tensors.filter(({name}) => dropped.some((pattern) => pattern.test(name)))
  const kept = tensors.filter((tensor) => !left.includes(tensor))
  const mappings = kept.map(mapTensor)
  const unknown = mappings.filter((mapping) => !fits(mapping))
  if (unknown.length > 0) throw doesNotFit(file, unknown, kept.length)
  const twice = mappings.filter(
    ({name}, index) => mappings.findIndex((other) => other.name === name) !== index,
  )
  if (twice.length > 0) throw doesNotFit(file, twice, kept.length)
  return {mappings, dropped: left.map(({name}) => name)}
}

function mapTensor(tensor: StoredTensor): TorchMapping {
  const own = tensor.path.at(-1) ?? tensor.name
  const name = renames.reduce((text, [pattern, replacement]) => text.replace(pattern, replacement), own)
  const {shape} = tensor
  const isTransposed = shape.length === 2 && /\.weight(?:_v)?$/.test(name) && !lookedUp.test(name)
  return {tensor, name, isTransposed, shape: isTransposed ? [...shape].reverse() : scalarShape(name, shape)}
}

// The scale of a weight-normed layer is one number, which PyTorch may keep as [1] or [1, 1].
function scalarShape(name: string, shape: readonly number[]): readonly number[] {
  return name.endsWith('.weight_g') && shape.every((size) => size === 1) ? [] : shape
}

function fits({name, shape}: TorchMapping): boolean {
  const known = knownShape(name)
  return known?.length === shape.length && known.every((size, axis) => size === null || size === shape[axis])
}

const shownNames = 5

function doesNotFit(file: string, unknown: readonly TorchMapping[], count: number): CheckpointError {
  const shown = unknown.slice(0, shownNames).map(({tensor, name, shape}) => {
    const meant = knownShape(name) === undefined ? didYouMean(name, knownNames) : name
    const hint = meant === undefined || meant === name ? '' : ` (for ${meant}?)`
    return `${printable(tensor.name, 120)} [${shape.join(', ')}]${hint}`
  })
  const more = unknown.length > shownNames ? ` and ${unknown.length - shownNames} more` : ''
  return new CheckpointError(
    `${printable(file, 300)} does not fit the model: ${unknown.length} of its ${count} tensors have no place in it: ${shown.join(', ')}${more}.`,
    {code: 'E_TORCH_NAMES', next: 'Pass the weights of a ViLBERT with the heads of the published code.'},
  )
}
