import {broken} from './byte-source.js'
import type {ByteSource} from './byte-source.js'
import {sniff} from './sniff.js'
import type {StoredTensor} from './stored-tensor.js'
import {TensorCollector} from './tensor-collector.js'
import type {Scalar} from './tensor-collector.js'
import {readTorchLegacy} from './torch-legacy.js'
import {torchTensor} from './torch-pickle.js'
import type {TorchContent} from './torch-pickle.js'
import {readTorchZip} from './torch-zip.js'

/** What a PyTorch file of weights holds; names inside of containers are joined by `/`. */
export type TorchFile = {
  readonly container: 'torch-zip' | 'torch-legacy'
  readonly tensors: readonly StoredTensor[]
  readonly scalars: ReadonlyMap<string, Scalar>
}

/**
 * Reads the structure of a file that `torch.save` wrote, as a zip (since PyTorch 1.6) or in the older form, without
 * PyTorch and without its numbers, whose places in the file are in the result.
 * @throws FormatError for damaged or hostile files and for files of another format
 */
export function readTorchFile(source: ByteSource): TorchFile {
  const container = sniff(source)
  if (container === 'torch-zip') return {container, ...collect(source, readTorchZip(source))}
  if (container === 'torch-legacy') return {container, ...collect(source, readTorchLegacy(source))}
  throw broken(source, 'E_FORMAT', 'this is not a PyTorch file of weights')
}

function collect(source: ByteSource, content: TorchContent): Omit<TorchFile, 'container'> {
  const collector = new TensorCollector(source, (value, path) =>
    torchTensor(source, content.places, value, path),
  )
  collector.visit(content.value, [])
  return {tensors: collector.tensors, scalars: collector.scalars}
}
