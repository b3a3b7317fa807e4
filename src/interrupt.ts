import {InterruptedError} from './errors.js'

/** Exit code of a process that the user ended, as shells count it (128 + SIGINT). */
const INTERRUPTED_EXIT_CODE = 130

/**
 * Turns Ctrl-C into an AbortSignal: the first one asks the work to stop where it can be resumed, the second one
 * ends the process at once, so that nobody is ever locked in.
 */
export class Interrupt implements Disposable {
  readonly #controller = new AbortController()
  readonly #onSignal: () => void

  /** @param onFirst - tells the user that the work is about to stop. */
  constructor(onFirst: () => void) {
    this.#onSignal = () => {
      if (this.signal.aborted) process.exit(INTERRUPTED_EXIT_CODE)
      onFirst()
      this.#controller.abort(new InterruptedError())
    }
    process.on('SIGINT', this.#onSignal)
    process.on('SIGTERM', this.#onSignal)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Says whether an error is only the echo of the interruption, not a failure of its own. */
  caused(error: Error): boolean {
    if (!this.signal.aborted) return false
    return error === this.signal.reason || ABORT_ERROR_NAMES.has(error.name)
  }

  [Symbol.dispose](): void {
    process.off('SIGINT', this.#onSignal)
    process.off('SIGTERM', this.#onSignal)
  }
}

/** Names of the errors with which aborted work ends: Node's own, the bridge's and ours. */
const ABORT_ERROR_NAMES: ReadonlySet<string> = new Set([
  'AbortError',
  'BridgeCancelledError',
  'InterruptedError',
])
