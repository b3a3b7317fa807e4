import {parentPort, workerData} from 'node:worker_threads'

import {CheckpointError} from '../errors.js'
import {PartCopier, type Part} from './part-copier.js'

/** What the worker is started with; those that share `taken` share the parts. */
export type CopyRequest = {
  readonly target: string
  readonly parts: readonly Part[]
  /** One Int32: how many parts are taken. */
  readonly taken: SharedArrayBuffer
}

/** What the worker tells: bytes that are copied, a part that is done, or a file that was shorter than it had been. */
export type CopyMessage =
  {readonly bytes: number} | {readonly part: number; readonly sha256: string} | {readonly shorter: string}

/** So often bytes are told. */
const toldBytes = 4 << 20

const {target, parts, taken} = workerData as CopyRequest
const counter = new Int32Array(taken)
using copier = new PartCopier(target)
let untoldBytes = 0
for (;;) {
  const index = Atomics.add(counter, 0, 1)
  const part = parts[index]
  if (part === undefined) break
  try {
    tell({part: index, sha256: copier.copy(part, count)})
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error
    tell({shorter: part.file})
    break
  }
}
tell({bytes: untoldBytes})

function count(bytes: number): void {
  untoldBytes += bytes
  if (untoldBytes < toldBytes) return
  tell({bytes: untoldBytes})
  untoldBytes = 0
}

function tell(message: CopyMessage): void {
  parentPort?.postMessage(message)
}
