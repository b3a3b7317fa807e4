import {BridgeCancelledError, BridgeCrashError, BridgeTimeoutError, type BridgeError} from './errors.js'
import {decodeReply, encodeRequest, nameOf, type Operation, type Reply} from './protocol.js'
import type {Session} from './session.js'

export type CallOptions = {
  readonly signal?: AbortSignal | undefined
  /** 0 for no limit. It counts from when the call is asked for, so waiting in the queue is part of it. */
  readonly timeoutMs: number
  /** How long Python may take to stop by itself once it was asked to. */
  readonly graceMs: number
  readonly maxMessageBytes: number
  /** The Python that a stream lives in; without it any Python will do. */
  readonly session?: Session | undefined
}

/** A value together with the Python that gave it. */
export type Answer = {readonly value: unknown; readonly session: Session}

const STREAM_OPERATIONS: ReadonlySet<string> = new Set(['open', 'next'])

/** Makes the error of a call that was stopped; `forced` if Python had to be killed for it. */
type StopReason = (details: {readonly forced: boolean; readonly cause?: Error}) => BridgeError

/**
 * One request on its way: queued, sent, settled. Stopping it while it is queued is exact, as Python never sees it;
 * once it is sent, Python is asked to stop, and killed if it does not within `graceMs`.
 */
export class Call {
  readonly id: number
  readonly options: CallOptions
  readonly #operation: Operation
  readonly #text: string
  readonly #settle: (error: Error | undefined, answer?: Answer) => void
  readonly #timers: NodeJS.Timeout[] = []
  #settled = false
  #session: Session | undefined
  #stopReason: StopReason | undefined
  #forced = false

  /**
   * @param settle - told once what became of the call.
   * @throws {@link BridgeMessageError} if the request cannot be written.
   */
  constructor(
    id: number,
    operation: Operation,
    options: CallOptions,
    settle: (error: Error | undefined, answer?: Answer) => void,
  ) {
    this.id = id
    this.options = options
    this.#operation = operation
    this.#text = encodeRequest(id, operation, options.maxMessageBytes)
    this.#settle = settle
    if (options.timeoutMs > 0) this.#after(options.timeoutMs, () => void this.#timeOut())
    options.signal?.addEventListener('abort', this.#onAbort, {once: true})
  }

  get isSettled(): boolean {
    return this.#settled
  }

  /** Hands the request to a Python that is free; resolves when it is free again. */
  async send(session: Session): Promise<void> {
    this.#session = session
    try {
      this.#receive(decodeReply(await session.request(this.#text)), session)
    } catch (error) {
      this.fail(this.#explain(error as Error))
    }
  }

  /** Ends the call here; a request that was sent is asked to stop, too. */
  abandon(error: Error): void {
    this.#session?.process.cancel(this.id)
    this.fail(error)
  }

  fail(error: Error): void {
    this.#finish(() => {
      this.#settle(error)
    })
  }

  readonly #onAbort = (): void => {
    const cause: unknown = this.options.signal?.reason
    this.#stop((details) => {
      const message = `${nameOf(this.#operation)} was cancelled.`
      return new BridgeCancelledError(message, details, {cause: details.cause ?? cause})
    })
  }

  async #timeOut(): Promise<void> {
    const {timeoutMs} = this.options
    const sent = this.#session !== undefined
    const pythonStack = withoutMachinery((await this.#session?.process.whereItStands()) ?? '')
    const what = sent ? 'took longer than' : 'was not started, as Python was busy, within'
    const message = `${nameOf(this.#operation)} ${what} ${timeoutMs} ms${standing(pythonStack)}.`
    this.#stop(({forced, cause}) => {
      return new BridgeTimeoutError(message, {timeoutMs, pythonStack, forced}, {cause})
    })
  }

  #stop(reason: StopReason): void {
    if (this.#settled || this.#stopReason !== undefined) return
    const session = this.#session
    if (session === undefined) {
      this.fail(reason({forced: false}))
      return
    }
    this.#stopReason = reason
    session.process.cancel(this.id)
    this.#after(this.options.graceMs, () => {
      this.#forced = true
      session.process.kill()
    })
  }

  #receive(reply: Reply, session: Session): void {
    if (reply.kind === 'value' && this.#isWanted()) {
      this.#finish(() => {
        this.#settle(undefined, {value: reply.value, session})
      })
    } else {
      this.fail(this.#explain(reply.kind === 'error' ? reply.error : undefined))
    }
  }

  /**
   * A call that was stopped rejects even if Python finished it in the meantime. A stream's event is kept: its step
   * was taken, and the cancellation ends the stream at the next one, where it is also closed.
   */
  #isWanted(): boolean {
    const cancelled = this.options.signal?.aborted === true
    return this.#stopReason === undefined || (cancelled && STREAM_OPERATIONS.has(this.#operation.op))
  }

  #explain(error: Error | undefined): Error {
    const reason = this.#stopReason
    if (reason !== undefined)
      return reason({forced: this.#forced, ...(error === undefined ? {} : {cause: error})})
    if (error instanceof BridgeCrashError) return new BridgeCrashError(error, nameOf(this.#operation))
    return error ?? new BridgeCancelledError(`${nameOf(this.#operation)} was cancelled by Python.`)
  }

  #after(delayMs: number, action: () => void): void {
    this.#timers.push(setTimeout(action, delayMs))
  }

  #finish(tell: () => void): void {
    if (this.#settled) return
    this.#settled = true
    for (const timer of this.#timers) clearTimeout(timer)
    this.options.signal?.removeEventListener('abort', this.#onAbort)
    tell()
  }
}

/** Below our entry function a stack only shows how the bridge got there. */
function withoutMachinery(pythonStack: string): string {
  return pythonStack.split(/\n.*[/\\]vilbert[/\\]bridge\.py"/)[0] ?? ''
}

/** The innermost frame of a faulthandler stack, for the message. */
function standing(pythonStack: string): string {
  const frame = /File "(.*)", line (\d+) in (\S+)/.exec(pythonStack)
  return frame === null ? '' : `; Python stood at ${frame[1] ?? ''}:${frame[2] ?? ''} in ${frame[3] ?? ''}`
}
