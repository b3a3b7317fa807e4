import {request as httpRequest, type IncomingMessage} from 'node:http'
import {request as httpsRequest} from 'node:https'
import type {Socket} from 'node:net'
import {throwIfInterrupted} from '../../breathe.js'
import {printable} from '../../errors.js'
import {checkLiteralHost, guardedLookup, PrivateAddressError, type AddressGuard} from './addresses.js'
import {interrupted, refused, shownUrl, type AttemptFailed} from './failure.js'
import {checkThroughProxy, openTunnel, proxyCredentials, proxyFor} from './proxy.js'

export type RequestOptions = {
  readonly headers: Readonly<Record<string, string>>
  /** How long connecting, or the silence of the server, may last. */
  readonly timeoutMs: number
  /** Whether redirects may lead to private addresses. */
  readonly allowPrivate: boolean
  readonly signal: AbortSignal | undefined
}

const mostRedirects = 10
const redirectStatuses: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/**
 * Asks for a file and follows redirects: only to http and https, never from https back to http, never to a private
 * address unless that is the server one asked for, and without taking credentials to another server.
 * @throws AttemptFailed
 */
export async function openResponse(
  first: URL,
  options: RequestOptions,
): Promise<{readonly response: IncomingMessage; readonly url: URL}> {
  let url = first
  let firstIsPrivate = false
  for (let hops = 0; hops <= mostRedirects; hops++) {
    const isFirst = hops === 0
    const staysHome: boolean = firstIsPrivate && url.host === first.host
    const forbidsPrivate = !isFirst && !options.allowPrivate && !staysHome
    const guard: AddressGuard = {forbidsPrivate, sawPrivate: false}
    const credentials = url.origin === first.origin ? authorization(first) : {}
    const response = await send(url, {...options, headers: {...options.headers, ...credentials}}, guard)
    if (isFirst) firstIsPrivate = guard.sawPrivate
    if (!redirectStatuses.has(response.statusCode ?? 0)) return {response, url}
    response.destroy()
    url = redirectTarget(url, response.headers.location)
  }
  throw refused(first, `it redirects more than ${mostRedirects} times`, {code: 'E_DL_REDIRECT'})
}

function authorization({username, password}: URL): Record<string, string> {
  if (username === '' && password === '') return {}
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return {authorization: `Basic ${Buffer.from(pair).toString('base64')}`}
}

function redirectTarget(from: URL, location: string | undefined): URL {
  const problem = (what: string): AttemptFailed => refused(from, what, {code: 'E_DL_REDIRECT'})
  if (location === undefined) throw problem('it redirects without saying where to')
  if (!URL.canParse(location, from.href))
    throw problem(`it redirects to "${printable(location)}", not an address`)
  const target = new URL(location, from)
  target.username = ''
  target.password = ''
  if (target.protocol !== 'https:' && target.protocol !== 'http:')
    throw problem(`it redirects to ${target.protocol}, only http and https are followed`)
  if (from.protocol === 'https:' && target.protocol === 'http:')
    throw problem(`it redirects to ${shownUrl(target)}, which is not encrypted`)
  return target
}

/** Sends one request, on a connection of its own so that nothing of a broken one is left for the next. */
async function send(url: URL, options: RequestOptions, guard: AddressGuard): Promise<IncomingMessage> {
  throwIfInterrupted(options.signal)
  const proxy = proxyFor(url)
  if (proxy === undefined) return await exchange(url, options, guard)
  try {
    await checkThroughProxy(url, guard)
  } catch (error) {
    throw explain(url, error, options.timeoutMs)
  }
  // Many proxies open tunnels to encrypted servers alone; of others they are asked for the whole address.
  const route = url.protocol === 'http:' ? {proxy} : {socket: await openTunnel(proxy, url, options)}
  return await exchange(url, options, guard, route)
}

/** Straight to the server, by asking a proxy, or over a connection that is open. */
type Route = {readonly proxy?: URL; readonly socket?: Socket}

function exchange(
  url: URL,
  options: RequestOptions,
  guard: AddressGuard,
  {proxy, socket}: Route = {},
): Promise<IncomingMessage> {
  const {headers, timeoutMs, signal} = options
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => {
      reject(signal?.aborted === true ? asError(error) : explain(url, error, timeoutMs))
    }
    try {
      if (proxy === undefined && socket === undefined) checkLiteralHost(url.hostname, guard)
    } catch (error) {
      fail(error)
      return
    }
    const open = (proxy ?? url).protocol === 'https:' ? httpsRequest : httpRequest
    const plain = withoutCredentials(url)
    const request = open(proxy === undefined ? plain : withoutCredentials(proxy), {
      headers: proxy === undefined ? headers : {...headers, ...proxyCredentials(proxy), host: url.host},
      ...(proxy === undefined ? {lookup: guardedLookup(guard)} : {path: plain.href}),
      ...(socket === undefined ? {agent: false} : {createConnection: () => socket}),
      rejectUnauthorized: true,
      timeout: timeoutMs,
      signal,
    })
    let response: IncomingMessage | undefined
    request.on('timeout', () => (response ?? request).destroy(new SilenceError()))
    request.on('error', fail)
    request.on('response', (arrived) => {
      response = arrived
      // An error that comes before somebody reads is kept for the one who reads.
      arrived.on('error', () => undefined)
      resolve(arrived)
    })
    request.end()
  })
}

function withoutCredentials(url: URL): URL {
  const plain = new URL(url)
  plain.username = ''
  plain.password = ''
  return plain
}

/** The connection was open and nothing came. */
class SilenceError extends Error {
  constructor() {
    super('silence')
    this.name = 'SilenceError'
  }
}

/** Puts what went wrong on a connection into words; also used for failures while the body arrives. */
export function explain(url: URL, error: unknown, timeoutMs: number): AttemptFailed {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (error instanceof PrivateAddressError) {
    return refused(url, 'a redirect leads to this private address', {
      code: 'E_DL_PRIVATE',
      next: 'If that is meant to be, pass --allow-private.',
    })
  }
  if (isTlsProblem(code)) {
    return refused(url, `its certificate is not trusted (${code})`, {
      code: 'E_DL_TLS',
      next: 'If your network has a certificate authority of its own, name it with NODE_EXTRA_CA_CERTS.',
    })
  }
  if (error instanceof SilenceError) {
    return interrupted(url, `nothing came for ${timeoutMs / 1000} s`, {code: 'E_DL_TIMEOUT'})
  }
  if (code === 'ENOTFOUND') return refused(url, 'there is no such server', {code: 'E_DL_HOST', cause: error})
  const reason = code === '' ? '' : ` (${code})`
  return interrupted(url, `the connection failed${reason}`, {code: 'E_DL_CONNECTION', cause: error})
}

function isTlsProblem(code: string): boolean {
  return /^(?:CERT_|ERR_TLS_|ERR_SSL_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_CA)/.test(
    code,
  )
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
