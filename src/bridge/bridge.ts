import type {ZodType} from 'zod'
import {pythonRoot} from '../paths.js'
import {ArrayFolder} from './array-file.js'
import type {Answer, CallOptions} from './call.js'
import {CallQueue} from './call-queue.js'
import {BridgeCancelledError, BridgeClosedError} from './errors.js'
import {fit} from './fit.js'
import type {Operation} from './protocol.js'
import {SessionKeeper} from './session-keeper.js'
import type {PythonHello, Session} from './session.js'

export type {PythonHello} from './session.js'

/** Which Python a {@link Bridge} starts, and how long it may take; times are in milliseconds. */
export type BridgeOptions = {
  /** Path or name of the Python interpreter. */
  readonly python: string
  /** Folders to import Python modules from. @default the package's own `python/` */
  readonly pythonPath?: readonly string[]
  /** Environment variables to add for Python. */
  readonly env?: Readonly<Record<string, string>>
  /** Limit for calls that give none themselves; 0 for no limit. @default 0 */
  readonly timeoutMs?: number
  /** How long Python may take until it answers for the first time. @default 30000 */
  readonly startTimeoutMs?: number
  /** How long Python may take to stop before it is killed. @default 5000 for calls, 10000 for streams and `close` */
  readonly graceMs?: number
  /** Longest message, either way. @default 64 MiB */
  readonly maxMessageBytes?: number
  /** Told what Python prints (its stdout and stderr), as it comes. */
  readonly onStderr?: (text: string) => void
}

type SharedOptions = {
  /** Ends the call: it rejects with a {@link BridgeCancelledError}. */
  readonly signal?: AbortSignal | undefined
  /** Limit in ms, waiting in the queue included; 0 for none. */
  readonly timeoutMs?: number | undefined
}

const CALL_GRACE_MS = 5000
const STREAM_GRACE_MS = 10_000
const START_TIMEOUT_MS = 30_000
const MAX_MESSAGE_BYTES = 64 * 1024 * 1024

/**
 * The only way to Python: calls functions 'package.module:function' with one JSON value and checks what comes back.
 * Making one does nothing; the first call starts Python. A crash rejects the running call and the next call starts a
 * new Python. While nothing runs, the bridge does not keep Node alive, and Python never outlives Node.
 */
export class Bridge implements AsyncDisposable {
  /** The way for large arrays: a call carries `{path, dtype, shape}`, the numbers lie in a file. */
  readonly arrays = new ArrayFolder()
  readonly #options: BridgeOptions
  readonly #keeper: SessionKeeper
  readonly #queue: CallQueue
  #busy = false
  #closing: Promise<void> | undefined

  constructor(options: BridgeOptions) {
    this.#options = options
    this.#keeper = new SessionKeeper(
      {
        python: options.python,
        pythonPath: options.pythonPath ?? [pythonRoot],
        env: {...options.env, ...this.arrays.environment},
        startTimeoutMs: options.startTimeoutMs ?? START_TIMEOUT_MS,
        maxMessageBytes: options.maxMessageBytes ?? MAX_MESSAGE_BYTES,
        onStderr: options.onStderr,
      },
      {
        onStarted: () => {
          this.#keepNodeAlive()
        },
        onEnded: (session) => void this.arrays.removeOf(session.hello.pid),
      },
    )
    this.#queue = new CallQueue({
      acquire: () => this.#keeper.acquire(),
      onAnswer: () => {
        this.#keeper.noteAnswer()
      },
      onBusy: (busy) => {
        this.#busy = busy
        this.#keepNodeAlive()
      },
    })
  }

  /** Process number of the running Python. */
  get pid(): number | undefined {
    const session = this.#keeper.session
    return session?.failure === undefined ? session?.hello.pid : undefined
  }

  /** The last text that Python printed, at most 64 KiB. */
  get stderrTail(): string {
    return this.#keeper.session?.process.stderrTail ?? ''
  }

  /** How many Pythons were started so far: 1 more for each crash that was followed by a call. */
  get startsCount(): number {
    return this.#keeper.startsCount
  }

  /**
   * Starts Python if it does not run.
   * @throws {@link BridgeSpawnError} if it cannot be started, after three tries if it dies each time.
   */
  async start(): Promise<PythonHello> {
    this.#keeper.forgive()
    const session = await this.#keeper.acquire()
    return session.hello
  }

  /**
   * Calls a Python function with one JSON value. Calls run one after the other.
   * @param fn - 'package.module:function'
   * @throws PythonError or the user error that Python raised; BridgeCrashError, BridgeTimeoutError,
   * BridgeCancelledError, BridgeClosedError, BridgeSpawnError; BridgeMessageError if the reply does not fit `reply`.
   */
  async call<T>(
    fn: string,
    request: unknown,
    options: SharedOptions & {readonly reply: ZodType<T>},
  ): Promise<T> {
    const {value} = await this.#ask({op: 'call', fn, request}, this.#callOptions(options, CALL_GRACE_MS))
    return fit(options.reply, value, `The reply of ${fn}`)
  }

  /**
   * Runs a Python generator function, one bridge call an event, so that other calls go in between. Leaving the loop
   * or aborting the signal closes the generator: its `finally` runs.
   * @param options - `timeoutMs` limits each event; `result` checks what the generator returns.
   * @throws as {@link call}
   */
  async *stream<E, R>(
    fn: string,
    request: unknown,
    options: SharedOptions & {readonly event: ZodType<E>; readonly result: ZodType<R>},
  ): AsyncGenerator<E, R, void> {
    const callOptions = this.#callOptions(options, STREAM_GRACE_MS)
    const {value, session} = await this.#ask({op: 'open', fn, request}, callOptions)
    const stream = value as number
    let isOpen = true
    let failure: unknown
    try {
      for (;;) {
        const {value: step} = await this.#ask({op: 'next', fn, stream}, {...callOptions, session})
        const {done, value: event} = step as {done: boolean; value: unknown}
        if (done) {
          isOpen = false
          return fit(options.result, event, `The result of ${fn}`)
        }
        yield fit(options.event, event, `An event of ${fn}`)
      }
    } catch (error) {
      failure = error
      throw error
    } finally {
      if (isOpen) await this.#closeStream({op: 'close', fn, stream}, session, failure)
    }
  }

  /** Lets Python finish (open streams run their `finally`, `atexit` functions run), at most `graceMs`, and ends it. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** {@link Bridge.close}, where the variable of an `await using` goes out of scope. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.#queue.abandonAll(new BridgeClosedError())
    await this.#keeper.close(this.#options.graceMs ?? STREAM_GRACE_MS)
    await this.arrays.remove()
  }

  #ask(operation: Operation, options: CallOptions): Promise<Answer> {
    return this.#closing === undefined
      ? this.#queue.ask(operation, options)
      : Promise.reject(new BridgeClosedError())
  }

  #callOptions({signal, timeoutMs}: SharedOptions, graceMs: number): CallOptions {
    return {
      signal,
      timeoutMs: timeoutMs ?? this.#options.timeoutMs ?? 0,
      graceMs: this.#options.graceMs ?? graceMs,
      maxMessageBytes: this.#options.maxMessageBytes ?? MAX_MESSAGE_BYTES,
    }
  }

  /**
   * Lets the generator's `finally` run. What it raises matters (a checkpoint that was not saved): it becomes the
   * cause of a cancellation, or the error of a loop that was left; after another failure that one is told.
   */
  async #closeStream(operation: Operation, session: Session, failure: unknown): Promise<void> {
    if (session.failure !== undefined || this.#closing !== undefined) return
    const {graceMs, maxMessageBytes} = this.#callOptions({}, STREAM_GRACE_MS)
    try {
      await this.#ask(operation, {timeoutMs: graceMs, graceMs: 0, maxMessageBytes, session})
    } catch (error) {
      if (failure === undefined) throw error
      if (!(failure instanceof BridgeCancelledError)) return
      throw new BridgeCancelledError(failure.message, failure, {cause: error})
    }
  }

  #keepNodeAlive(): void {
    this.#keeper.session?.process.keepNodeAlive(this.#busy)
  }
}
