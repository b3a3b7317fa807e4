import type {ModelConfig} from '../config/model.js'
import {CheckpointError, ConfigError, printable} from '../errors.js'
import type {StoredTensor} from '../formats/stored-tensor.js'
import type {CheckpointFile} from './checkpoint-file.js'
import type {FloatDtype} from './float-casts.js'
import {isSameShape, modelSpec, unusedPrefixes} from './model-spec.js'
import {outputTensor} from './output-tensor.js'
import type {OutputTensor} from './output-tensor.js'
import type {Structure} from './structure.js'
import {mapTorchTensors} from './torch-names.js'

/** What a conversion will write, and how it differs from what it reads. */
export type ConversionPlan = {
  readonly outputs: readonly OutputTensor[]
  readonly structure: Structure
  readonly renamed: number
  readonly transposed: number
  readonly dropped: readonly string[]
  /** Tensors of the model that the file has not; known only with a configuration. */
  readonly missing: readonly string[]
}

export type PlanOptions = {
  readonly dtype?: Exclude<FloatDtype, 'F64'> | undefined
  readonly recOnly: boolean
  readonly config: ModelConfig | undefined
}

/**
 * Decides what becomes of each tensor.
 * @throws CheckpointError E_NO_TENSORS, E_TORCH_NAMES, E_MISSING, E_SHAPE, ConfigError E_NO_MODEL
 */
export function planConversion(input: CheckpointFile, options: PlanOptions): ConversionPlan {
  const isTorch = input.container === 'torch-zip' || input.container === 'torch-legacy'
  const plan = isTorch ? planTorch(input, options) : planPaddle(input, options)
  const kept = options.recOnly ? keepNeeded(input.path, plan, options.config) : plan
  if (isTorch && kept.outputs.length === 0) throw noTensorsToConvert(input.path)
  return kept
}

function planPaddle(input: CheckpointFile, {dtype}: PlanOptions): ConversionPlan {
  const outputs = input.tensors.map((tensor) => outputTensor(input.source, tensor, {dtype}))
  return {outputs, structure: input.structure, renamed: 0, transposed: 0, dropped: [], missing: []}
}

function planTorch(input: CheckpointFile, {dtype, config}: PlanOptions): ConversionPlan {
  const {mappings, dropped} = mapTorchTensors(input.path, input.tensors)
  const outputs = mappings.map(({tensor, name, shape, isTransposed}) =>
    outputTensor(input.source, tensor, {dtype, name, shape, isTransposed}),
  )
  return {
    outputs,
    structure: {nameTable: 'identity'},
    renamed: mappings.filter(({tensor, name}) => tensor.name !== name).length,
    transposed: mappings.filter(({isTransposed}) => isTransposed).length,
    dropped,
    missing: config === undefined ? [] : checkFit(input.path, outputs, config),
  }
}

const shownNames = 5

// Files of the pretraining have no heads for tasks; everything below the heads must be there.
function checkFit(file: string, outputs: readonly OutputTensor[], config: ModelConfig): readonly string[] {
  const spec = modelSpec(config)
  const differing = outputs.filter(({name, shape}) => !isSameShape(shape, spec.get(name) ?? [NaN]))
  if (differing.length > 0) {
    const shown = differing.slice(0, shownNames).map(({name, shape}) => {
      const wanted = spec.get(name)
      return `${printable(name)} is [${shape.join(', ')}], the model ${wanted === undefined ? 'has none' : `wants [${wanted.join(', ')}]`}`
    })
    throw doesNotFit(file, 'E_SHAPE', shown, differing.length)
  }
  const found = new Set(outputs.map(({name}) => name))
  const missing = [...spec.keys()].filter((name) => !found.has(name))
  const missingBody = missing.filter((name) => name.startsWith('bert.'))
  if (missingBody.length === 0) return missing
  const shown = missingBody.slice(0, shownNames).map((name) => `it lacks ${name}`)
  throw doesNotFit(file, 'E_MISSING', shown, missingBody.length)
}

function doesNotFit(file: string, code: string, shown: readonly string[], count: number): CheckpointError {
  const more = count > shown.length ? ` and ${count - shown.length} more` : ''
  return new CheckpointError(`${printable(file, 300)} does not fit the model: ${shown.join('; ')}${more}.`, {
    code,
    next: 'Pass the configuration that the weights were made with (--config).',
  })
}

function keepNeeded(file: string, plan: ConversionPlan, config: ModelConfig | undefined): ConversionPlan {
  if (config === undefined) {
    throw new ConfigError(
      `What ${printable(file, 300)} needs for referring expressions depends on its model.`,
      {
        code: 'E_NO_MODEL',
        next: 'Give the model with --config FILE.',
      },
    )
  }
  const unused = unusedPrefixes(config)
  const isUnused = ({name}: Pick<StoredTensor, 'name'>): boolean =>
    unused.some((prefix) => name.startsWith(prefix))
  const dropped = plan.outputs.filter(isUnused).map(({name}) => name)
  return {
    ...plan,
    outputs: plan.outputs.filter((output) => !isUnused(output)),
    dropped: [...plan.dropped, ...dropped],
  }
}

function noTensorsToConvert(file: string): CheckpointError {
  return new CheckpointError(`${printable(file, 300)}: the file holds no tensors.`, {
    code: 'E_NO_TENSORS',
    next: 'Pass the file of a model that was trained.',
  })
}
