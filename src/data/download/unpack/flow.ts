import type {Readable, Transform} from 'node:stream'
import {pipeline} from 'node:stream/promises'

/**
 * Lets bytes flow into some work. Settles only when the work has ended too: after an error upstream it may still be
 * about to create a file, and whoever tidies up must not be overtaken by that.
 */
export async function flow(
  source: Readable,
  transform: Transform | undefined,
  work: (bytes: AsyncIterable<Buffer>) => Promise<void>,
): Promise<void> {
  let working: Promise<void> | undefined
  const sink = (bytes: AsyncIterable<Buffer>): Promise<void> => {
    working = work(bytes)
    return working
  }
  try {
    await (transform === undefined ? pipeline(source, sink) : pipeline(source, transform, sink))
  } finally {
    await working?.catch(() => undefined)
  }
}
