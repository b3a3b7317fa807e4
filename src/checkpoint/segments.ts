import {tensorBytes} from '../formats/dtypes.js'
import {safetensorsHeader} from '../formats/safetensors-writer.js'
import type {TensorSpec} from '../formats/safetensors-writer.js'
import {checkTensorName} from '../formats/tensor-name.js'
import {CheckpointError, printable} from '../errors.js'
import type {OutputTensor} from './output-tensor.js'
import {structureKey} from './structure.js'
import type {Structure} from './structure.js'

/** A part of a file: bytes that are known, or a tensor that is still to be read. */
export type Segment = Buffer | OutputTensor

/** Size of a part in bytes. */
export function segmentBytes(segment: Segment): number {
  return Buffer.isBuffer(segment) ? segment.length : tensorBytes(segment.dtype, segment.shape)
}

/**
 * The parts of a safetensors file; what Paddle files hold besides tensors goes into its metadata.
 * @throws CheckpointError E_KEY for a name that the form cannot hold
 */
export function safetensorsSegments(outputs: readonly OutputTensor[], structure: Structure): Segment[] {
  for (const {name} of outputs) {
    checkTensorName(
      {name: 'the converted file', sizeBytes: 0, windowBytes: 0, read: () => Buffer.alloc(0)},
      name,
    )
    if (name === '__metadata__') throw reserved(name)
  }
  const complex128 = outputs.filter(({dtype}) => dtype === 'C128').map(({name}) => name)
  const full = complex128.length === 0 ? structure : {...structure, complex128}
  const text = JSON.stringify(full)
  const metadata: Record<string, string> = text === '{}' ? {} : {[structureKey]: text}
  return [safetensorsHeader(outputs.map(storable), metadata), ...outputs]
}

// There is no C128 in safetensors: pairs of F64 hold the same bytes.
function storable({name, dtype, shape}: OutputTensor): TensorSpec {
  return dtype === 'C128' ? {name, dtype: 'F64', shape: [...shape, 2]} : {name, dtype, shape}
}

function reserved(name: string): CheckpointError {
  return new CheckpointError(`A safetensors file cannot hold a tensor named "${printable(name)}".`, {
    code: 'E_KEY',
    next: 'Convert to .pdparams.',
  })
}
