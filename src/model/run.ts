/**
 * Long work as an async iterable of events with a result:
 * `for await (const event of run) …; const result = await run.result()`. The work goes on only while somebody asks
 * for events or for the result; leaving the loop early ends it in order.
 */
export class Run<Event, Result> implements AsyncIterable<Event> {
  readonly #work: AsyncGenerator<Event, Result, void>
  #outcome: {readonly value: Result} | undefined

  constructor(work: AsyncGenerator<Event, Result, void>) {
    this.#work = work
  }

  /**
   * The events as the work goes on. Leaving the loop early ends the work in order, and there is no result then.
   * @throws what the work failed with
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<Event, void, void> {
    try {
      for (;;) {
        const step = await this.#work.next()
        if (step.done === true) {
          this.#outcome ??= {value: step.value}
          return
        }
        yield step.value
      }
    } finally {
      // Typed as returning a Result, but nothing reads the value of a generator that was left.
      await this.#work.return(undefined as Result)
    }
  }

  /**
   * Goes through the events that are left and gives the result.
   * @throws what the work failed with; an Error if it was left before it was done
   */
  async result(): Promise<Result> {
    const events = this[Symbol.asyncIterator]()
    while ((await events.next()).done !== true);
    if (this.#outcome === undefined)
      throw new Error('The work was left before it was done: it has no result.')
    return this.#outcome.value
  }
}
