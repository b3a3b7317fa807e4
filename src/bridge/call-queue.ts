import {Call, type Answer, type CallOptions} from './call.js'
import {BridgeCancelledError} from './errors.js'
import {nameOf, type Operation} from './protocol.js'
import type {Session} from './session.js'

export type CallQueueOptions = {
  /** Gives a Python that is ready, starting one if need be. */
  readonly acquire: () => Promise<Session>
  /** Told whenever there is something to wait for, or nothing any more. */
  readonly onBusy: (busy: boolean) => void
  /** Told for each answer, good or bad, that Python lived to give. */
  readonly onAnswer: () => void
}

/**
 * First come, first served, one request on the wire. Python would serve them one after the other anyway; waiting
 * here means that a queued call can be cancelled exactly and survives a crash of the one before it.
 */
export class CallQueue {
  readonly #options: CallQueueOptions
  readonly #waiting: Call[] = []
  #current: Call | undefined
  #lastId = 0

  constructor(options: CallQueueOptions) {
    this.#options = options
  }

  /** Queues a request and resolves with its answer. */
  ask(operation: Operation, options: CallOptions): Promise<Answer> {
    if (options.signal?.aborted === true) {
      const message = `${nameOf(operation)} was cancelled before it was sent.`
      return Promise.reject(new BridgeCancelledError(message, {}, {cause: options.signal.reason}))
    }
    return new Promise((resolve, reject) => {
      this.#lastId += 1
      const call: Call = new Call(this.#lastId, operation, options, (error, answer) => {
        this.#remove(call)
        if (answer !== undefined) resolve(answer)
        else reject(error ?? new BridgeCancelledError(`${nameOf(operation)} ended without an answer.`))
      })
      this.#waiting.push(call)
      this.#pump()
    })
  }

  /** Rejects every call that is queued or running. */
  abandonAll(error: Error): void {
    const calls = this.#current === undefined ? this.#waiting : [this.#current, ...this.#waiting]
    this.#waiting.splice(0)
    for (const call of [...calls]) call.abandon(error)
  }

  #pump(): void {
    if (this.#current !== undefined) return
    const call = this.#waiting.shift()
    this.#options.onBusy(call !== undefined)
    if (call === undefined) return
    this.#current = call
    void this.#serve(call)
  }

  async #serve(call: Call): Promise<void> {
    try {
      const session = call.options.session ?? (await this.#options.acquire())
      if (call.isSettled) return
      await call.send(session)
      if (session.failure === undefined) this.#options.onAnswer()
    } catch (error) {
      call.fail(error as Error)
    }
  }

  #remove(call: Call): void {
    if (this.#current === call) this.#current = undefined
    const place = this.#waiting.indexOf(call)
    if (place >= 0) this.#waiting.splice(place, 1)
    this.#pump()
  }
}
