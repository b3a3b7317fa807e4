import {breathe} from '../breathe.js'
import {openAtomic} from '../files.js'
import {FileSource} from './byte-source.js'
import type {ByteSource} from './byte-source.js'
import {tensorBytes} from './dtypes.js'
import type {Dtype} from './dtypes.js'
import {tensorPieces} from './stored-tensor.js'
import type {StoredTensor} from './stored-tensor.js'

/** A tensor of a file to be written. */
export type TensorSpec = {
  readonly name: string
  readonly dtype: Dtype
  readonly shape: readonly number[]
}

/** Where a tensor lies in a file: little-endian, C order, `nbytes` from `offset`. */
export type PlacedTensor = TensorSpec & {readonly offset: number; readonly nbytes: number}

/** A file that is not written yet: its head, and where everything will be. */
export type SafetensorsLayout = {
  readonly header: Buffer
  readonly tensors: readonly StoredTensor[]
  readonly entries: readonly PlacedTensor[]
  readonly sizeBytes: number
}

/** Plans a safetensors file of these tensors in this order. */
export function safetensorsLayout(
  tensors: readonly StoredTensor[],
  metadata: Readonly<Record<string, string>> = {},
): SafetensorsLayout {
  const header = safetensorsHeader(tensors, metadata)
  let offset = header.length
  const entries = tensors.map(({name, dtype, shape}) => {
    const nbytes = tensorBytes(dtype, shape)
    const entry = {name, dtype, shape, offset, nbytes}
    offset += nbytes
    return entry
  })
  return {header, tensors, entries, sizeBytes: offset}
}

/** Writes a planned file from `source`, a mebibyte at a time, under its name only when it is complete. */
export async function writeSafetensors(
  path: string,
  source: ByteSource,
  layout: SafetensorsLayout,
  signal?: AbortSignal,
): Promise<void> {
  await using file = await openAtomic(path)
  await file.handle.writeFile(layout.header)
  for (const tensor of layout.tensors) {
    for (const piece of tensorPieces(source, tensor)) await file.handle.writeFile(piece)
    await breathe(signal)
  }
  await file.commit()
}

/** Whether the file is there, whole and of this plan. */
export function isWritten(path: string, layout: SafetensorsLayout): boolean {
  try {
    using source = new FileSource(path)
    if (source.sizeBytes !== layout.sizeBytes) return false
    return source.read(0, layout.header.length).equals(layout.header)
  } catch {
    return false
  }
}

/**
 * The header of a safetensors file whose tensors follow in the given order without a gap, padded with spaces so that
 * the data begin at a multiple of 64 bytes, and to `reservedBytes` where that is given.
 */
export function safetensorsHeader(
  entries: readonly TensorSpec[],
  metadata: Readonly<Record<string, string>> = {},
  reservedBytes = 0,
): Buffer {
  let offset = 0
  const fields = entries.map(({name, dtype, shape}): [string, unknown] => {
    const begin = offset
    offset += tensorBytes(dtype, shape)
    return [name, {dtype, shape, data_offsets: [begin, offset]}]
  })
  if (Object.keys(metadata).length > 0) fields.unshift(['__metadata__', metadata])
  const body = fields.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(',')
  const json = Buffer.from(`{${body}}`)
  const header = Buffer.alloc(Math.max(reservedBytes, Math.ceil((8 + json.length) / 64) * 64), ' ')
  header.writeBigUInt64LE(BigInt(header.length - 8))
  json.copy(header, 8)
  return header
}
