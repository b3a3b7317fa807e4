import {HttpProblem} from './problem.js'

export type Rate = {
  /** Requests a second in the long run. */
  readonly perSecond: number
  /** Requests at once after a pause. */
  readonly burst: number
}

type Bucket = {tokens: number; atMs: number}

/** More clients than this at once are no clients of a page for one person; the oldest are forgotten. */
const maxClients = 10_000

/** So many requests a client, whatever they are: a loop gone wild must not take the machine. */
export class RateLimit {
  readonly #rate: Rate
  readonly #buckets = new Map<string, Bucket>()

  constructor(rate: Rate) {
    this.#rate = rate
  }

  /** Counts a request. @throws HttpProblem 429 with Retry-After */
  take(client: string): void {
    const bucket = this.#refilled(client)
    if (bucket.tokens < 1) throw this.#tooMany(bucket)
    bucket.tokens -= 1
  }

  /** @throws HttpProblem 429 where a request would be too much, without counting one */
  check(client: string): void {
    const bucket = this.#refilled(client)
    if (bucket.tokens < 1) throw this.#tooMany(bucket)
  }

  #refilled(client: string): Bucket {
    const nowMs = performance.now()
    const {tokens, atMs} = this.#buckets.get(client) ?? {tokens: this.#rate.burst, atMs: nowMs}
    const gained = ((nowMs - atMs) / 1000) * this.#rate.perSecond
    const bucket = {tokens: Math.min(this.#rate.burst, tokens + gained), atMs: nowMs}
    // Set anew, so that the first of the map is the one that was not heard of for longest.
    this.#buckets.delete(client)
    this.#buckets.set(client, bucket)
    const [oldest] = this.#buckets.keys()
    if (this.#buckets.size > maxClients && oldest !== undefined) this.#buckets.delete(oldest)
    return bucket
  }

  #tooMany({tokens}: Bucket): HttpProblem {
    const seconds = Math.max(1, Math.ceil((1 - tokens) / this.#rate.perSecond))
    return new HttpProblem(429, 'E_RATE', 'These are too many requests.', {
      next: `Try again in ${seconds} s.`,
      headers: {'retry-after': String(seconds)},
    })
  }
}
