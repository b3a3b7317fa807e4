import {NetworkError, printable, type ErrorDetails} from '../../errors.js'

/** One attempt to fetch a file did not succeed; what is done about it is decided where attempts are counted. */
export class AttemptFailed extends Error {
  /** What the user is told when nothing else helps. */
  readonly failure: NetworkError
  /** Whether the same address may do better a little later. */
  readonly retryable: boolean
  /** How long the server asks to wait. */
  readonly retryAfterMs: number | undefined

  constructor(
    failure: NetworkError,
    options: {readonly retryable: boolean; readonly retryAfterMs?: number | undefined},
  ) {
    super(failure.message, {cause: failure})
    this.failure = failure
    this.retryable = options.retryable
    this.retryAfterMs = options.retryAfterMs
  }
}

/** An attempt at this address that will not go better the next time. */
export function refused(url: URL, what: string, details: ErrorDetails = {}): AttemptFailed {
  return new AttemptFailed(new NetworkError(`${shownUrl(url)}: ${what}.`, details), {retryable: false})
}

/** An attempt that may go better the next time. */
export function interrupted(
  url: URL,
  what: string,
  details: ErrorDetails & {readonly retryAfterMs?: number | undefined} = {},
): AttemptFailed {
  const {retryAfterMs, ...rest} = details
  return new AttemptFailed(new NetworkError(`${shownUrl(url)}: ${what}.`, rest), {
    retryable: true,
    retryAfterMs,
  })
}

/** An address to show: without passwords, and without the keys that signed addresses carry behind the `?`. */
export function shownUrl(url: URL): string {
  const shown = new URL(url)
  shown.username = ''
  shown.password = ''
  shown.hash = ''
  for (const name of [...shown.searchParams.keys()]) {
    if (!harmlessParameters.has(name)) shown.searchParams.set(name, '…')
  }
  return printable(decodeSafely(shown.href), 300)
}

const harmlessParameters: ReadonlySet<string> = new Set(['id', 'dl', 'export'])

function decodeSafely(href: string): string {
  try {
    return decodeURI(href)
  } catch {
    return href
  }
}
