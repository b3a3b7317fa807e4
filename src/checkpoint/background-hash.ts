import {Worker} from 'node:worker_threads'

import {quiet} from '../breathe.js'
import {CheckpointError, printable} from '../errors.js'
import {sha256File} from '../files.js'
import type {HashRequest} from './hash-worker.js'

/** A worker takes longer to start than these are hashed. */
const hashedHereBytes = 16 << 20

/** The SHA-256 of a file that is being computed. */
export type BackgroundHash = AsyncDisposable & {readonly sha256: Promise<string>}

/** Hashes a file on another core, because that takes longer than copying it; leaving its block ends it. */
export function hashInBackground(path: string, sizeBytes: number): BackgroundHash {
  if (sizeBytes <= hashedHereBytes)
    return {sha256: quiet(sha256File(path)), [Symbol.asyncDispose]: () => Promise.resolve()}
  const worker = new Worker(new URL('./hash-worker.js', import.meta.url), {
    workerData: {path} satisfies HashRequest,
  })
  const sha256 = new Promise<string>((resolve, reject) => {
    worker.on('message', resolve)
    worker.on('error', (cause) => {
      reject(new CheckpointError(`${printable(path, 300)} cannot be hashed.`, {code: 'E_IO', cause}))
    })
  })
  return {
    sha256: quiet(sha256),
    async [Symbol.asyncDispose]() {
      await worker.terminate()
    },
  }
}
