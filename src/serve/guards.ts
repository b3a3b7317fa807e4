import {createHash, timingSafeEqual} from 'node:crypto'
import {isIP} from 'node:net'
import {HttpProblem} from './problem.js'

/** Sent with every answer. The page may load its own files and pictures that it has fetched, and nothing else. */
export const securityHeaders: Readonly<Record<string, string>> = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' blob:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
}

/** Which names a server answers to. */
export type KnownHosts = {
  readonly names: ReadonlySet<string>
  /** Whether any address is one of ours; a foreign page can only come under a name. */
  readonly anyAddress: boolean
}

/**
 * A page of another site can point its own name at this machine and then read what is served here: its name in the
 * Host header gives it away. Ports do not matter, they change on the way through a tunnel.
 * @throws HttpProblem 403
 */
export function checkHost(host: string | undefined, {names, anyAddress}: KnownHosts): void {
  const name = hostName(host ?? '')
  if (name !== undefined && (names.has(name) || (anyAddress && isIP(name) !== 0))) return
  throw new HttpProblem(403, 'E_HOST', 'This server does not answer under that name.', {
    next: 'Use the address that it printed when it started, or name the host with --allow-host.',
  })
}

/**
 * Browsers say where a request comes from; pages of other sites have no business here.
 * @throws HttpProblem 403
 */
export function checkOrigin(headers: Headers): void {
  const origin = headers.get('origin')
  const site = headers.get('sec-fetch-site')
  const isForeignSite = site !== null && site !== 'same-origin' && site !== 'none'
  const isForeignOrigin = origin !== null && originHost(origin) !== headers.get('host')?.toLowerCase()
  if (!isForeignOrigin && !isForeignSite) return
  throw new HttpProblem(403, 'E_ORIGIN', 'Pages of other sites may not ask this server.')
}

/**
 * The token as `Authorization: Bearer …`; how long the comparison takes says nothing of the token.
 * @throws HttpProblem 401
 */
export function checkToken(authorization: string | undefined, token: string): void {
  const given = /^Bearer ([\x21-\x7e]+)$/i.exec(authorization ?? '')?.[1]
  if (given !== undefined && timingSafeEqual(digest(given), digest(token))) return
  const message = given === undefined ? 'This server wants a token.' : 'This is not the token of this server.'
  throw new HttpProblem(401, 'E_TOKEN', message, {
    next: 'Send it as `Authorization: Bearer TOKEN`; in the page, type it in.',
    headers: {'www-authenticate': 'Bearer realm="vilbert-ts"'},
  })
}

/** The name of a Host header without its port and the brackets of an address. */
function hostName(host: string): string | undefined {
  const [, address, name] = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/i.exec(host) ?? []
  return (address ?? name)?.toLowerCase()
}

function originHost(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
