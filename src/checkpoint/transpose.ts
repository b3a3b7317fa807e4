import {elementCount} from '../formats/dtypes.js'

const slabBytes = 4 << 20

type Numbers = Uint8Array | Uint16Array | Uint32Array | BigUint64Array

/**
 * The numbers of a matrix of `rows` × `columns` column by column, in pieces of a few mebibytes, for the weights of
 * PyTorch's linear layers, which are [out, in].
 */
export function* transposedPieces(
  bytes: Buffer,
  [rows = 0, columns = 0]: readonly number[],
  itemBytes: number,
): Generator<Buffer, void, undefined> {
  if (elementCount([rows, columns]) === 0) return
  const matrix = numbersOf(bytes, itemBytes)
  const slabColumns = Math.max(1, Math.floor(slabBytes / (rows * itemBytes)))
  for (let first = 0; first < columns; first += slabColumns) {
    const width = Math.min(slabColumns, columns - first)
    const slab = Buffer.allocUnsafeSlow(width * rows * itemBytes)
    copyColumns(matrix, numbersOf(slab, itemBytes), {rows, columns, first, width})
    yield slab
  }
}

type Slab = {readonly rows: number; readonly columns: number; readonly first: number; readonly width: number}

function copyColumns(matrix: Numbers, slab: Numbers, {rows, columns, first, width}: Slab): void {
  for (let row = 0; row < rows; row++) {
    const start = row * columns + first
    for (let column = 0; column < width; column++) {
      slab[column * rows + row] = matrix[start + column] ?? 0
    }
  }
}

function numbersOf(bytes: Buffer, itemBytes: number): Numbers {
  const {buffer, byteOffset, length} =
    bytes.byteOffset % 8 === 0 ? bytes : Buffer.from(Uint8Array.from(bytes).buffer)
  switch (itemBytes) {
    case 1:
      return new Uint8Array(buffer, byteOffset, length)
    case 2:
      return new Uint16Array(buffer, byteOffset, length / 2)
    case 4:
      return new Uint32Array(buffer, byteOffset, length / 4)
    default:
      return new BigUint64Array(buffer, byteOffset, length / 8)
  }
}
