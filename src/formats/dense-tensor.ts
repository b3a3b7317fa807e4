import {ByteReader} from './byte-reader.js'
import {broken} from './byte-source.js'
import type {ByteSource} from './byte-source.js'
import {isShape, tensorBytes} from './dtypes.js'
import type {Dtype} from './dtypes.js'
import {Payload} from './payload.js'
import type {StoredTensor} from './stored-tensor.js'

// The numbers of Paddle's VarType.Type.
const dtypeOfVarType = new Map<number, Dtype>([
  [0, 'BOOL'],
  [1, 'I16'],
  [2, 'I32'],
  [3, 'I64'],
  [4, 'F16'],
  [5, 'F32'],
  [6, 'F64'],
  [20, 'U8'],
  [21, 'I8'],
  [22, 'BF16'],
  [23, 'C64'],
  [24, 'C128'],
])
const mostLodLevels = 16
const longestDescriptionBytes = 1024

/** Reads one tensor in the form of Paddle's C++ code (`paddle.save(..., use_binary_format=True)`); it has no name. */
export function readDenseTensor(source: ByteSource): StoredTensor {
  const reader = new ByteReader(source)
  const version = reader.u32()
  const lodLevels = reader.u64()
  if (version !== 0 || lodLevels > mostLodLevels)
    throw broken(source, 'E_FORMAT', 'the DenseTensor header is damaged')
  for (let level = 0; level < lodLevels; level++) reader.skip(reader.u64())
  const {dtype, shape} = readDescription(reader)
  const nbytes = tensorBytes(dtype, shape)
  if (nbytes !== reader.leftBytes) {
    const what = `shape [${shape.join(', ')}] of ${dtype} takes ${nbytes} bytes, the file has ${reader.leftBytes}`
    throw broken(source, 'E_ARRAY', what)
  }
  const data = Payload.raw('bytes', reader.position, nbytes)
  return {name: '', path: [], dtype, shape, pieces: [data]}
}

// A protobuf message TensorDesc: field 1 the type, field 2 the dimensions, both varints.
function readDescription(reader: ByteReader): {dtype: Dtype; shape: number[]} {
  const version = reader.u32()
  const lengthBytes = reader.i32()
  if (version !== 0 || lengthBytes <= 0 || lengthBytes > longestDescriptionBytes) throw damaged(reader)
  const end = reader.position + lengthBytes
  const shape: number[] = []
  let type = -1
  while (reader.position < end) {
    const tag = varint(reader, end)
    if (tag === 8) type = varint(reader, end)
    else if (tag === 16) shape.push(varint(reader, end))
    else throw damaged(reader)
  }
  const dtype = dtypeOfVarType.get(type)
  if (dtype === undefined) throw broken(reader.source, 'E_DTYPE', `DenseTensor type ${type} is not known`)
  if (!isShape(shape)) throw broken(reader.source, 'E_ARRAY', 'the DenseTensor shape is not possible')
  return {dtype, shape}
}

function varint(reader: ByteReader, end: number): number {
  let value = 0
  for (let shift = 0; shift < 63; shift += 7) {
    if (reader.position >= end) throw damaged(reader)
    const byte = reader.u8()
    value += (byte & 127) * 2 ** shift
    if (byte < 128) return value
  }
  throw damaged(reader)
}

function damaged(reader: ByteReader): Error {
  return reader.fail('E_FORMAT', 'the DenseTensor description is damaged')
}
