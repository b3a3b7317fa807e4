import test from 'ava'
import {createHash} from 'node:crypto'
import {readFileSync} from 'node:fs'
import {join} from 'node:path'

import {FormatError} from '../../src/errors.js'
import {FileSource, MemorySource} from '../../src/formats/byte-source.js'
import type {ByteSource} from '../../src/formats/byte-source.js'
import {readModelFile} from '../../src/formats/pdparams.js'
import {rawOffset, tensorPieces} from '../../src/formats/stored-tensor.js'
import type {StoredTensor} from '../../src/formats/stored-tensor.js'
import {readTorchFile} from '../../src/formats/torch.js'
import {packageRoot} from '../../src/paths.js'

type Sample = {
  readonly file: string
  readonly tensors: Record<string, {dtype: string; shape: number[]; sha256: string}>
  readonly scalars: Record<string, unknown>
}

const folder = join(packageRoot, 'test', 'fixtures', 'torch')
const {origin, samples} = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as {
  readonly origin: string
  readonly samples: readonly Sample[]
}

for (const {file, tensors, scalars} of samples) {
  test(`${file} of ${origin} gives every name, type, shape and number`, (t) => {
    using source = new FileSource(join(folder, file))
    const model = readTorchFile(source)
    t.deepEqual(
      Object.fromEntries(model.tensors.map((tensor) => [tensor.name, describe(source, tensor)])),
      tensors,
    )
    t.deepEqual(Object.fromEntries(model.scalars), scalars)
  })

  test(`${file} is not taken for a Paddle file`, (t) => {
    using source = new FileSource(join(folder, file))
    const error = t.throws(() => readModelFile(source), {instanceOf: FormatError})
    t.true(error.code.startsWith('E_FORMAT_TORCH_') && error.next?.includes('convert') === true)
  })
}

test('the numbers of contiguous tensors are found where they lie', (t) => {
  using source = new FileSource(join(folder, 'state_zip.bin'))
  const places = readTorchFile(source).tensors.map((tensor): [string, number | undefined] => [
    tensor.name,
    rawOffset(tensor),
  ])
  const copied = places.filter(([, offset]) => offset === undefined).map(([name]) => name)
  t.deepEqual(copied, ['transposed', 'strided', 'expanded'])
})

test('an import that no file of weights needs is refused', (t) => {
  const bytes = readFileSync(join(folder, 'state_legacy.bin'))
  const hostile = Buffer.from(
    bytes.toString('latin1').replaceAll('collections\nOrderedDict\n', 'os\nsystem\n'),
    'latin1',
  )
  const error = t.throws(() => readTorchFile(new MemorySource('hostile.bin', hostile)), {
    instanceOf: FormatError,
  })
  t.is(error.code, 'E_GLOBAL')
})

function describe(source: ByteSource, tensor: StoredTensor): Sample['tensors'][string] {
  const hash = createHash('sha256')
  for (const piece of tensorPieces(source, tensor)) hash.update(piece)
  return {dtype: tensor.dtype, shape: [...tensor.shape], sha256: hash.digest('hex')}
}
