import {printable} from '../errors.js'
import type {FormatError} from '../errors.js'
import {broken} from '../formats/byte-source.js'
import type {ByteSource} from '../formats/byte-source.js'
import type {Dtype} from '../formats/dtypes.js'
import {refuse} from '../formats/problems.js'
import type {ProblemSink} from '../formats/problems.js'
import type {StoredTensor} from '../formats/stored-tensor.js'
import {nonFiniteCount} from '../formats/tensor-numbers.js'
import {isSameShape} from './model-spec.js'
import type {ModelSpec} from './model-spec.js'

const shownNames = 20

/**
 * Checks that a file holds exactly the tensors of a model, as floats of at most 32 bits and finite. A name is the last key that leads to
 * a tensor, so a state dict inside of a dict is found. Without `onProblem` the first problem is thrown.
 * @throws FormatError E_NO_TENSORS, E_MISSING, E_EXTRA, E_SHAPE, E_SPEC_DTYPE, E_NONFINITE
 */
export function checkModel(
  source: ByteSource,
  tensors: readonly StoredTensor[],
  spec: ModelSpec,
  onProblem: ProblemSink = refuse,
): void {
  const report = (code: string, what: string): void => {
    onProblem(broken(source, code, what), 'wrong')
  }
  if (tensors.length === 0) report('E_NO_TENSORS', 'the file holds no tensors')
  const byName = new Map(tensors.map((tensor) => [tensor.path.at(-1) ?? '', tensor]))
  const missing = [...spec.keys()].filter((name) => !byName.has(name))
  const extra = [...byName.keys()].filter((name) => !spec.has(name))
  if (missing.length > 0)
    report(
      'E_MISSING',
      `${missing.length} missing: ${list(missing)}; ${extra.length} unexpected: ${list(extra)}`,
    )
  else if (extra.length > 0) report('E_EXTRA', `${extra.length} unexpected: ${list(extra)}`)
  for (const [name, shape] of spec) {
    const tensor = byName.get(name)
    if (tensor === undefined) continue
    if (!isSameShape(tensor.shape, shape)) {
      report(
        'E_SHAPE',
        `"${printable(name)}" has shape [${tensor.shape.join(', ')}], wanted [${shape.join(', ')}]`,
      )
    }
    if (!isWeightDtype(tensor.dtype))
      report('E_SPEC_DTYPE', `"${printable(name)}" is ${tensor.dtype}, wanted F32, F16 or BF16`)
  }
  checkFinite(source, tensors, onProblem)
}

/**
 * Reads every number; NaN and infinities go to `onProblem`, without it they are thrown.
 * @throws FormatError E_NONFINITE naming the tensor and how many
 */
export function checkFinite(
  source: ByteSource,
  tensors: readonly StoredTensor[],
  onProblem: (problem: FormatError, kind: 'wrong') => void = refuse,
): void {
  for (const tensor of tensors) {
    const count = nonFiniteCount(source, tensor)
    if (count === 0) continue
    const what = `"${printable(tensor.name)}" holds ${count} ${count === 1 ? 'number that is' : 'numbers that are'} NaN or infinite`
    onProblem(broken(source, 'E_NONFINITE', what), 'wrong')
  }
}

/** Whether weights are kept in this type; float64 comes of a mistake. */
export function isWeightDtype(dtype: Dtype): boolean {
  return dtype === 'F32' || dtype === 'F16' || dtype === 'BF16'
}

function list(names: readonly string[]): string {
  const shown = names.slice(0, shownNames).map((name) => printable(name))
  return names.length === 0 ? 'none' : `${shown.join(', ')}${names.length > shownNames ? ', …' : ''}`
}
