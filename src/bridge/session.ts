import {accessSync, constants, statSync} from 'node:fs'
import {join} from 'node:path'
import {printable} from '../errors.js'
import {kernelEnvironment} from '../kernels/folders.js'
import {pythonRoot} from '../paths.js'
import {computeThreads} from './compute-threads.js'
import {
  BridgeCrashError,
  BridgeError,
  BridgeMessageError,
  BridgeSpawnError,
  type PythonEnd,
} from './errors.js'
import {decodeReply, encodeRequest, isRecord} from './protocol.js'
import {PythonProcess, type NotStarted} from './python-process.js'
import {openPythonia, pythoniaInterface, type Handle} from './pythonia-channel.js'

/** What Python says of itself when it is ready. */
export type PythonHello = {
  readonly pid: number
  readonly pythonVersion: string
  /** Path of the interpreter. */
  readonly executable: string
}

export type SessionOptions = {
  readonly python: string
  readonly pythonPath: readonly string[]
  readonly env: NodeJS.ProcessEnv
  readonly startTimeoutMs: number
  readonly maxMessageBytes: number
  readonly onStderr?: ((text: string) => void) | undefined
}

/** One Python that is ready to answer, from its hello to its end. It takes one request at a time. */
export class Session {
  readonly hello: PythonHello
  readonly process: PythonProcess
  readonly #handle: Handle
  readonly #failure: Failure

  private constructor(process: PythonProcess, handle: Handle, hello: PythonHello, failure: Failure) {
    this.process = process
    this.hello = hello
    this.#handle = handle
    this.#failure = failure
  }

  /**
   * Starts Python and waits for its hello.
   * @throws {@link BridgeSpawnError}; its `cause` is a {@link BridgeCrashError} if Python started and then ended.
   */
  static async start(options: SessionOptions, signal: AbortSignal): Promise<Session> {
    assertExecutable(options.python)
    const process = new PythonProcess({
      python: options.python,
      args: ['-u', join(pythonRoot, 'vilbert', 'boot.py'), bootSettings(options)],
      env: pythonEnvironment(options.env),
      onStderr: options.onStderr,
    })
    const failure = new Failure(process)
    const stop = (): void => {
      failure.report(new BridgeSpawnError('The bridge was closed while Python started.'))
    }
    const timer = setTimeout(() => {
      failure.report(startTimeout(options.startTimeoutMs))
    }, options.startTimeoutMs)
    signal.addEventListener('abort', stop, {once: true})
    try {
      const {handle, hello} = await failure.race(() => greet(process, options, failure))
      return new Session(process, handle, hello, failure)
    } catch (error) {
      process.kill()
      throw spawnError(options.python, error, process.stderrTail)
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', stop)
    }
  }

  /** Why this Python is of no more use, if so. */
  get failure(): BridgeError | undefined {
    return this.#failure.error
  }

  /** Sends one request; rejects with a {@link BridgeCrashError} when Python ends before it answers. */
  request(text: string): Promise<string> {
    return this.#failure.race(() => this.#handle(text))
  }

  /** Lets open generators and `atexit` functions do their work, within a limit; then everything is gone. */
  async shutdown(graceMs: number): Promise<void> {
    this.process.keepNodeAlive(true)
    const timer = setTimeout(() => {
      this.process.kill()
    }, graceMs)
    if (this.failure === undefined) {
      this.#handle(encodeRequest(0, {op: 'shutdown'}, Infinity)).catch(() => undefined)
    }
    await this.process.ended
    clearTimeout(timer)
  }
}

/** The first reason why a Python is of no more use; whoever waits for an answer then gets it instead. */
class Failure {
  error: BridgeError | undefined
  readonly #process: PythonProcess
  #reject: ((error: BridgeError) => void) | undefined

  constructor(process: PythonProcess) {
    this.#process = process
    void process.ended.then((end) => {
      this.report(endError(end))
    })
  }

  report(error: BridgeError): void {
    this.error ??= error
    this.#process.kill()
    this.#reject?.(this.error)
  }

  race<T>(work: () => Promise<T>): Promise<T> {
    if (this.error !== undefined) return Promise.reject(this.error)
    return new Promise((resolve, reject) => {
      this.#reject = reject
      work().then(resolve, reject)
    })
  }
}

async function greet(
  process: PythonProcess,
  options: SessionOptions,
  failure: Failure,
): Promise<{handle: Handle; hello: PythonHello}> {
  if (process.channel === undefined) throw new BridgeSpawnError('Python has no channel.')
  const handle = await openPythonia(process.channel, {
    // A text of nothing but quotes and backslashes doubles in pythonia's own JSON envelope.
    maxLineBytes: 2 * options.maxMessageBytes + 4096,
    onFailure: (error) => {
      failure.report(error)
    },
  })
  const reply = decodeReply(await handle(encodeRequest(0, {op: 'hello'}, options.maxMessageBytes)))
  if (reply.kind === 'error') throw reply.error
  return {handle, hello: readHello(reply.kind === 'value' ? reply.value : undefined)}
}

function readHello(value: unknown): PythonHello {
  if (isRecord(value)) {
    const {pid, pythonVersion, executable} = value
    if (typeof pid === 'number' && typeof pythonVersion === 'string' && typeof executable === 'string') {
      return {pid, pythonVersion, executable}
    }
  }
  throw new BridgeMessageError('Python did not introduce itself.')
}

/** Fails with a clear reason before a process is made; a bare name is left to the search on PATH. */
function assertExecutable(python: string): void {
  if (!python.includes('/')) return
  try {
    if (statSync(python).isDirectory()) throw Object.assign(new Error('a folder'), {code: 'EISDIR'})
    accessSync(python, constants.X_OK)
  } catch (error) {
    throw spawnError(python, notStarted((error as NodeJS.ErrnoException).code ?? 'unknown'), '')
  }
}

function bootSettings({pythonPath, maxMessageBytes}: SessionOptions): string {
  const path = pythonPath.includes(pythonRoot) ? pythonPath : [...pythonPath, pythonRoot]
  return JSON.stringify({interface: pythoniaInterface(), path, maxMessageBytes})
}

function pythonEnvironment(extra: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const given: NodeJS.ProcessEnv = {...process.env, ...kernelEnvironment(), ...extra}
  delete given['NODE_CHANNEL_FD']
  return {
    ...given,
    PYTHONUNBUFFERED: '1',
    PYTHONUTF8: '1',
    OMP_NUM_THREADS: given['OMP_NUM_THREADS'] ?? String(computeThreads()),
  }
}

function endError(end: PythonEnd | NotStarted): BridgeError {
  return 'spawnErrorCode' in end ? notStarted(end.spawnErrorCode) : new BridgeCrashError(end)
}

const SPAWN_REASONS: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'there is no such file'],
  ['EACCES', 'it is not executable'],
  ['EISDIR', 'it is a folder'],
  ['ENOTDIR', 'a part of its path is not a folder'],
])

function notStarted(code: string): BridgeSpawnError {
  return new BridgeSpawnError(SPAWN_REASONS.get(code) ?? code, {code: `E_BRIDGE_SPAWN_${code}`})
}

function startTimeout(startTimeoutMs: number): BridgeSpawnError {
  return new BridgeSpawnError(`it did not answer within ${startTimeoutMs} ms`, {
    code: 'E_BRIDGE_SPAWN_TIMEOUT',
  })
}

function spawnError(python: string, error: unknown, stderrTail: string): BridgeSpawnError {
  const reason = error instanceof Error ? error.message : String(error)
  const message = `Python ${printable(python, 300)} cannot be started: ${reason}.`
  const details = error instanceof BridgeSpawnError ? {code: error.code} : {cause: error}
  return new BridgeSpawnError(message, {...details, stderrTail})
}
