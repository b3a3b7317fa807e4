import {InterruptedError, VilbertError} from './errors.js'

/** Lets timers, signals and the progress bar have their turn, and ends the work if the user wants that. */
export async function breathe(signal: AbortSignal | undefined): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve))
  throwIfInterrupted(signal)
}

/** Throws when the signal is aborted: its reason where that is one of our errors, else InterruptedError. */
export function throwIfInterrupted(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return
  const reason: unknown = signal.reason
  throw reason instanceof VilbertError ? reason : new InterruptedError(undefined, {cause: reason})
}

/** A promise whose failure is heard where it is awaited; until then Node must not take it for one that nobody hears. */
export function quiet<T>(work: Promise<T>): Promise<T> {
  work.catch(() => undefined)
  return work
}
