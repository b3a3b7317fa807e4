import {mkdir} from 'node:fs/promises'
import {dirname} from 'node:path'
import {setTimeout as delay} from 'node:timers/promises'
import {throwIfInterrupted} from '../../breathe.js'
import {NetworkError, printable} from '../../errors.js'
import {requireSpace} from './disk-space.js'
import {AttemptFailed} from './failure.js'
import {PartFile, urlSha256} from './part-file.js'
import type {Transferred, Transport} from './transport.js'
import {verifyPart, type Expectation} from './verify.js'

/** How patient downloads are. */
export type Patience = {
  /** How long a server may be silent. @default 20000 */
  readonly timeoutMs?: number
  /** How many attempts in a row may fail at one address before it is given up. @default 5 */
  readonly attempts?: number
  /** The first wait between two attempts, then twice as long each time. @default 500 */
  readonly backOffMs?: number
}

export type FetchOptions = Patience & {
  /** Addresses of the same bytes, in the order to try them. */
  readonly urls: readonly URL[]
  /** Final name. */
  readonly path: string
  readonly expected: Expectation
  /** Space that unpacking will take in addition. */
  readonly extraBytes?: number
  readonly allowPrivate?: boolean
  readonly signal?: AbortSignal | undefined
  readonly transportFor: (url: URL) => Transport
  readonly onBytes?: (url: URL, doneBytes: number, totalBytes: number | undefined) => void
  readonly onNote?: (line: string) => void
}

/** The file is there under its final name. */
export type Fetched = {readonly url: URL; readonly sha256: string; readonly sizeBytes: number}

/** An attempt that brought so much was worth it, so that a bad line does not end a long download. */
const worthwhileBytes = 2 ** 20
const longestWaitMs = 60_000
const defaultTimeoutMs = 20_000
const defaultAttempts = 5
/** An address that gives nothing so many times is left for the next one, if there is one. */
const fruitlessAttempts = 2

/**
 * Fetches a file from the first address that has it. It gets its final name only when it is whole, checked and safe
 * on the disk; until then `<name>.part` holds what is there, and a next call continues it.
 * @throws NetworkError when no address has it; DataError when there is no space
 */
export async function fetchFile(options: FetchOptions): Promise<Fetched> {
  const {urls, path, signal} = options
  await mkdir(dirname(path), {recursive: true})
  await using part = await PartFile.open(path)
  const failures: NetworkError[] = []
  for (const [index, url] of urls.entries()) {
    try {
      return await fetchFrom(url, part, {...options, isLast: index === urls.length - 1})
    } catch (error) {
      throwIfInterrupted(signal)
      if (!(error instanceof AttemptFailed)) throw error
      failures.push(error.failure)
      if (failures.length < urls.length) options.onNote?.(`${error.failure.message} Trying the next address.`)
    }
  }
  throw allFailed(path, failures)
}

/** Tries one address until it gives the file or proves that it will not. */
async function fetchFrom(
  url: URL,
  part: PartFile,
  options: FetchOptions & {readonly isLast: boolean},
): Promise<Fetched> {
  const {expected, signal, attempts = defaultAttempts} = options
  let failures = 0
  let fruitless = 0
  let mayStartAgain = true
  for (;;) {
    const hadBytes = part.doneBytes
    try {
      const {md5} = await transferOnce(url, part, options)
      const wasPatched = part.isPatched
      const verified = await verifyOrReset(url, part, {...expected, md5}, signal)
      if (!(verified instanceof AttemptFailed)) return await commit(url, part, verified)
      // The seam of a file that came in pieces may be to blame: it is fetched once more.
      if (!wasPatched || !mayStartAgain) throw verified
      mayStartAgain = false
    } catch (error) {
      if (!(error instanceof AttemptFailed) || !error.retryable) throw error
      const brought = part.doneBytes - hadBytes
      failures = brought >= worthwhileBytes ? 0 : failures + 1
      fruitless = brought > 0 ? 0 : fruitless + 1
      const isHopeless = !options.isLast && fruitless >= fruitlessAttempts
      if (failures >= attempts || isHopeless) throw error
      await pause(error, failures, options)
    }
  }
}

/** The hash of a good part, or what is wrong with a bad one, whose bytes are worth nothing then. */
async function verifyOrReset(
  url: URL,
  part: PartFile,
  expected: Expectation,
  signal: AbortSignal | undefined,
): Promise<string | AttemptFailed> {
  try {
    return await verifyPart(url, part, expected, signal)
  } catch (error) {
    if (!(error instanceof AttemptFailed)) throw error
    await part.reset()
    return error
  }
}

async function commit(url: URL, part: PartFile, sha256: string): Promise<Fetched> {
  const sizeBytes = part.doneBytes
  await part.commit()
  return {url, sha256, sizeBytes}
}

/** One attempt, or none when only the renaming was missing. */
async function transferOnce(url: URL, part: PartFile, options: FetchOptions): Promise<Transferred> {
  if (part.isComplete && part.state?.urlSha256 === urlSha256(url)) return {}
  const {expected, path, signal, onBytes} = options
  return options.transportFor(url)({
    url,
    part,
    sizeBytes: expected.sizeBytes,
    isVerifiable: expected.sha256 !== undefined,
    timeoutMs: options.timeoutMs ?? defaultTimeoutMs,
    allowPrivate: options.allowPrivate ?? false,
    signal,
    onSize: async (totalBytes) => {
      const missingBytes = totalBytes - part.doneBytes + (options.extraBytes ?? 0)
      await requireSpace(dirname(path), missingBytes, 'The file')
    },
    onBytes: (doneBytes, totalBytes) => onBytes?.(url, doneBytes, totalBytes),
  })
}

/** Waits as long as the server asks, else longer each time, and not in step with others. */
async function pause(error: AttemptFailed, failures: number, options: FetchOptions): Promise<void> {
  const {signal} = options
  const {retryAfterMs} = error
  if (retryAfterMs !== undefined && retryAfterMs > longestWaitMs) throw error
  const backOffMs = (options.backOffMs ?? 500) * 2 ** Math.max(0, failures - 1)
  const waitMs = Math.min(longestWaitMs, retryAfterMs ?? backOffMs * (0.5 + Math.random() / 2))
  options.onNote?.(`${error.failure.message} Trying again in ${(waitMs / 1000).toFixed(1)} s.`)
  await delay(waitMs, undefined, {signal}).catch(() => {
    throwIfInterrupted(signal)
  })
}

/** One sentence for all addresses. */
function allFailed(path: string, failures: readonly NetworkError[]): NetworkError {
  const [first] = failures
  if (first !== undefined && failures.length === 1) return first
  const reasons = failures.map(({message}) => message.replace(/\.$/, '')).join('; ')
  const next = failures.find((failure) => failure.next !== undefined)?.next
  return new NetworkError(`No address has ${printable(path, 200)}${reasons === '' ? '' : `: ${reasons}`}.`, {
    code: first?.code ?? 'E_DL_NO_SOURCE',
    next: next ?? 'Pass --mirror with an address that has it, or --from with a folder or address.',
    cause: first,
  })
}
