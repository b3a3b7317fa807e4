import {DataError, InterruptedError, NetworkError, VilbertError} from '../../errors.js'
import {fetchSource, type FetchSourceOptions, type SourceResult} from './fetch-source.js'
import {checkAddresses} from './places.js'
import type {Source} from './sources.js'

/** What {@link downloadSources} fetches, from where and to where. */
export type DownloadOptions = FetchSourceOptions & {
  readonly sources: readonly Source[]
  /** How many files are fetched at once. @default 3 */
  readonly jobs?: number
}

/**
 * Fetches sources, a few at once. One that fails does not stop the others, and all failures are told at the end.
 * @throws NetworkError, DataError, FormatError of the only failure, or one error that names them all
 */
export async function downloadSources(options: DownloadOptions): Promise<readonly SourceResult[]> {
  const {sources, jobs = 3} = options
  checkAddresses(options)
  const results = new Array<SourceResult | undefined>(sources.length)
  const failures: {readonly id: string; readonly error: unknown}[] = []
  const waiting = sources.entries()
  const work = async (): Promise<void> => {
    for (const [index, source] of waiting) {
      try {
        results[index] = await fetchSource(source, options)
      } catch (error) {
        failures.push({id: source.id, error})
        if (error instanceof InterruptedError) return
      }
    }
  }
  await Promise.all(Array.from({length: Math.max(1, Math.min(jobs, sources.length))}, work))
  if (failures.length > 0) throw oneFailure(failures, sources.length)
  return results.filter((result) => result !== undefined)
}

/** An interruption, or our own mistake, says all there is to say; several failures share a sentence. */
function oneFailure(
  failures: readonly {readonly id: string; readonly error: unknown}[],
  sourcesCount: number,
): unknown {
  const errors = failures.map(({error}) => error)
  const [first] = errors
  const telling = errors.find(
    (error) => error instanceof InterruptedError || !(error instanceof VilbertError),
  )
  if (telling !== undefined || errors.length === 1 || !(first instanceof VilbertError))
    return telling ?? first
  const reasons = failures.map(({id, error}) => `${id}: ${(error as Error).message.replace(/\.$/, '')}`)
  const isAllData = errors.every((error) => error instanceof VilbertError && error.exitCode === 4)
  const CommonError = isAllData ? DataError : NetworkError
  return new CommonError(`${failures.length} of ${sourcesCount} downloads failed: ${reasons.join('; ')}.`, {
    code: first.code,
    next: first.next ?? 'Run it again: what has been fetched is kept.',
  })
}
