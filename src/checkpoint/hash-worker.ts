import {parentPort, workerData} from 'node:worker_threads'

import {sha256File} from '../files.js'

/** What the worker is started with. */
export type HashRequest = {readonly path: string}

const {path} = workerData as HashRequest
parentPort?.postMessage(await sha256File(path))
