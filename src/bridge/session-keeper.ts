import {setTimeout as delay} from 'node:timers/promises'
import {BridgeClosedError, BridgeCrashError, BridgeSpawnError} from './errors.js'
import {Session, type SessionOptions} from './session.js'

const MAX_FAILED_STARTS = 3
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 5000

export type SessionListeners = {
  /** Told when starting is over, however it went. */
  readonly onStarted: () => void
  /** Told when a Python that had started is gone. */
  readonly onEnded: (session: Session) => void
}

/**
 * Keeps one Python: starts it when it is first needed and again after a crash, ever more slowly while none of them
 * gives an answer, and gives up when Python dies three times in a row before it could be used.
 */
export class SessionKeeper {
  readonly #options: SessionOptions
  readonly #closing = new AbortController()
  readonly #listeners: SessionListeners
  #session: Session | undefined
  #starting: Promise<Session> | undefined
  #startFailure: BridgeSpawnError | undefined
  #crashesInARow = 0
  #startsCount = 0

  constructor(options: SessionOptions, listeners: SessionListeners) {
    this.#options = options
    this.#listeners = listeners
  }

  /** The Python that was started last, alive or not. */
  get session(): Session | undefined {
    return this.#session
  }

  /** How many Pythons were started and answered. */
  get startsCount(): number {
    return this.#startsCount
  }

  /** A Python that is ready. After giving up it fails at once, with the error of the last start. */
  acquire(): Promise<Session> {
    if (this.#closing.signal.aborted) return Promise.reject(new BridgeClosedError())
    if (this.#session !== undefined && this.#session.failure === undefined)
      return Promise.resolve(this.#session)
    if (this.#startFailure !== undefined) return Promise.reject(this.#startFailure)
    this.#starting ??= this.#startAgain().finally(() => {
      this.#starting = undefined
      this.#listeners.onStarted()
    })
    return this.#starting
  }

  /** Forgets that starting failed: whoever asks for this wants it tried again. */
  forgive(): void {
    this.#startFailure = undefined
  }

  /** Python lives and answers: the next crash is the first one again. */
  noteAnswer(): void {
    this.#crashesInARow = 0
  }

  async close(graceMs: number): Promise<void> {
    this.#closing.abort()
    await this.#starting?.catch(() => undefined)
    await this.#session?.shutdown(graceMs)
  }

  async #startAgain(): Promise<Session> {
    if (this.#session !== undefined) this.#crashesInARow += 1
    await this.#pause(this.#crashesInARow - 1)
    for (let failedStarts = 1; ; failedStarts += 1) {
      try {
        this.#session = await Session.start(this.#options, this.#closing.signal)
        this.#startsCount += 1
        this.#watch(this.#session)
        return this.#session
      } catch (error) {
        if (this.#closing.signal.aborted) throw new BridgeClosedError()
        if (!diedAtStart(error) || failedStarts === MAX_FAILED_STARTS) throw this.#giveUp(error, failedStarts)
      }
      await this.#pause(failedStarts)
    }
  }

  #watch(session: Session): void {
    void session.process.ended.then(() => {
      this.#listeners.onEnded(session)
    })
  }

  #giveUp(error: unknown, failedStarts: number): unknown {
    if (!(error instanceof BridgeSpawnError)) return error
    const {message, code, next, stderrTail, cause} = error
    const times = failedStarts > 1 ? ` This was tried ${failedStarts} times in a row.` : ''
    const details = {code, stderrTail, cause, ...(next === undefined ? {} : {next})}
    this.#startFailure = new BridgeSpawnError(`${message}${times}`, details)
    return this.#startFailure
  }

  async #pause(failures: number): Promise<void> {
    if (failures <= 0) return
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** (failures - 1), LONGEST_PAUSE_MS)
    try {
      await delay(pauseMs, undefined, {signal: this.#closing.signal})
    } catch {
      throw new BridgeClosedError()
    }
  }
}

/** Only a Python that ran and ended may do better the next time; a missing file or a hang will not. */
function diedAtStart(error: unknown): boolean {
  return error instanceof BridgeSpawnError && error.cause instanceof BridgeCrashError
}
