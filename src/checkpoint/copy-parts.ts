import {availableParallelism} from 'node:os'
import {Worker} from 'node:worker_threads'

import {breathe, throwIfInterrupted} from '../breathe.js'
import type {CopyMessage, CopyRequest} from './copy-worker.js'
import {becameShorter, PartCopier, type Part} from './part-copier.js'

export type CopyOptions = {
  readonly signal?: AbortSignal | undefined
  /** Told the bytes that were copied since it was told last. */
  readonly onBytes: (bytes: number) => void
}

/** Workers take longer to start than these are copied. */
const copiedHereBytes = 16 << 20
/** More do not help: then the disk binds. */
const mostWorkers = 4

/**
 * Copies parts of files into the file `target`, each core some of them; gives the SHA-256 of each.
 * @throws CheckpointError E_TRUNCATED; InterruptedError
 */
export async function copyParts(
  target: string,
  parts: readonly Part[],
  options: CopyOptions,
): Promise<readonly string[]> {
  const bytes = parts.reduce((sum, {lengthBytes}) => sum + lengthBytes, 0)
  return bytes <= copiedHereBytes ? copyHere(target, parts, options) : copyByWorkers(target, parts, options)
}

async function copyHere(
  target: string,
  parts: readonly Part[],
  {signal, onBytes}: CopyOptions,
): Promise<readonly string[]> {
  using copier = new PartCopier(target)
  const hashes: string[] = []
  for (const part of parts) {
    await breathe(signal)
    hashes.push(copier.copy(part, onBytes))
  }
  return hashes
}

async function copyByWorkers(
  target: string,
  parts: readonly Part[],
  {signal, onBytes}: CopyOptions,
): Promise<readonly string[]> {
  throwIfInterrupted(signal)
  const hashes: string[] = []
  const hear = (message: CopyMessage): Error | undefined => {
    if ('shorter' in message) return becameShorter(message.shorter)
    if ('bytes' in message) onBytes(message.bytes)
    else hashes[message.part] = message.sha256
    return undefined
  }
  const workerData = {target, parts, taken: new SharedArrayBuffer(4)} satisfies CopyRequest
  const url = new URL('./copy-worker.js', import.meta.url)
  const count = Math.min(mostWorkers, availableParallelism())
  const workers = Array.from({length: count}, () => new Worker(url, {workerData}))
  const stop = (): void => {
    for (const worker of workers) void worker.terminate()
  }
  signal?.addEventListener('abort', stop)
  try {
    await Promise.all(workers.map(async (worker) => ended(worker, hear)))
  } finally {
    signal?.removeEventListener('abort', stop)
    // Nothing may write to the file once this has returned.
    await Promise.all(workers.map(async (worker) => worker.terminate()))
  }
  throwIfInterrupted(signal)
  const missing = parts.findIndex((_, part) => hashes[part] === undefined)
  if (missing >= 0) throw new Error(`the worker that copied part ${missing} ended early`)
  return hashes
}

/** Resolves when a worker has ended; rejects when it failed, or when what it told is a failure. */
async function ended(worker: Worker, hear: (message: CopyMessage) => Error | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    worker.on('message', (message: CopyMessage) => {
      const failure = hear(message)
      if (failure !== undefined) reject(failure)
    })
    worker.on('error', reject)
    worker.on('exit', () => {
      resolve()
    })
  })
}
