import {setTimeout as delay} from 'node:timers/promises'

/** Long enough for what is there already to arrive, too short for anybody to notice. */
const graceMs = 2

/**
 * Groups what an iterable has ready, up to `size` of it, and waits only for the first of a group: a person who types
 * gets an answer to every line, a file is read in full groups. Items are pulled only when a group is asked for, at most
 * one more than it holds.
 */
export async function* inGroups<T>(
  items: AsyncIterable<T> | Iterable<T>,
  size: number,
): AsyncGenerator<readonly T[], void, void> {
  const iterator = iteratorOf(items)
  let pending: Promise<IteratorResult<T>> | undefined
  const pull = (): Promise<IteratorResult<T>> => {
    const pulled = (async () => await iterator.next())()
    // Awaited by the next group, which may be after it has failed.
    pulled.catch(() => undefined)
    return pulled
  }
  try {
    for (;;) {
      const first = await (pending ?? pull())
      pending = undefined
      if (first.done === true) return
      const group = [first.value]
      while (group.length < size) {
        pending = pull()
        const next = await Promise.race([pending, delay(graceMs, undefined)])
        if (next === undefined) break
        if (next.done === true) {
          yield group
          return
        }
        pending = undefined
        group.push(next.value)
      }
      yield group
    }
  } finally {
    // One who is waited for would be waited for here as well, perhaps for ever.
    const ended = iterator.return?.()
    if (pending === undefined) await ended
    else void Promise.resolve(ended).catch(() => undefined)
  }
}

function iteratorOf<T>(items: AsyncIterable<T> | Iterable<T>): AsyncIterator<T> | Iterator<T> {
  return Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]()
}
