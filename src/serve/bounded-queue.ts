import {comeBackLater, HttpProblem} from './problem.js'

type Waiting = {readonly start: () => void}

/**
 * One piece of work at a time, first come, first served, with so many waiting and no more. Work that nobody waits for
 * any more is never started; work that has started is not disturbed.
 */
export class BoundedQueue {
  readonly limit: number
  readonly #waitTimeoutMs: number
  readonly #waiting: Waiting[] = []
  #isBusy = false
  /** How long work took lately: what those who are sent away are told. */
  #meanMs = 100

  /** @param waitTimeoutMs - how long anything may wait for its turn. */
  constructor(limit: number, waitTimeoutMs: number) {
    this.limit = limit
    this.#waitTimeoutMs = waitTimeoutMs
  }

  get waitingCount(): number {
    return this.#waiting.length
  }

  /** @throws HttpProblem 503 with Retry-After if the queue is full or the turn never comes */
  async run<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    await this.#turn(signal)
    const startedMs = performance.now()
    try {
      return await work()
    } finally {
      this.#meanMs = 0.9 * this.#meanMs + 0.1 * (performance.now() - startedMs)
      this.#next()
    }
  }

  async #turn(signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw gone()
    if (!this.#isBusy) {
      this.#isBusy = true
      return
    }
    if (this.#waiting.length >= this.limit) throw this.#full()
    await new Promise<void>((resolve, reject) => {
      const leave = (problem: HttpProblem): void => {
        this.#waiting.splice(this.#waiting.indexOf(entry), 1)
        settle()
        reject(problem)
      }
      const onAbort = (): void => {
        leave(gone())
      }
      const timer = setTimeout(() => {
        leave(comeBackLater('E_BUSY', 'The model did not get to this request in time.', this.#afterSeconds()))
      }, this.#waitTimeoutMs)
      const settle = (): void => {
        clearTimeout(timer)
        signal.removeEventListener('abort', onAbort)
      }
      const entry: Waiting = {
        start: () => {
          settle()
          resolve()
        },
      }
      signal.addEventListener('abort', onAbort)
      this.#waiting.push(entry)
    })
  }

  #next(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#isBusy = false
    else next.start()
  }

  #full(): HttpProblem {
    const message = `${this.#waiting.length} requests are waiting for the model already.`
    return comeBackLater('E_BUSY', message, this.#afterSeconds())
  }

  /** When about half of those who wait will have had their turn. */
  #afterSeconds(): number {
    const halfMs = (this.#waiting.length / 2) * this.#meanMs
    return Math.min(60, Math.max(1, Math.ceil(halfMs / 1000)))
  }
}

/** Nobody reads this answer. */
function gone(): HttpProblem {
  return new HttpProblem(499, 'E_GONE', 'The client went away.')
}
