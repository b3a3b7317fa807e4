import {lookup} from 'node:dns/promises'
import {request as httpRequest} from 'node:http'
import {request as httpsRequest} from 'node:https'
import {isIP, type Socket} from 'node:net'
import {connect as connectTls} from 'node:tls'
import {ConfigError} from '../../errors.js'
import {examine, type AddressGuard} from './addresses.js'
import {interrupted, refused} from './failure.js'

export type Environment = Readonly<Record<string, string | undefined>>

/**
 * The proxy for an address, as the environment names it: HTTPS_PROXY, HTTP_PROXY and NO_PROXY, in either case.
 * @throws ConfigError E_PROXY when it is no http or https address
 */
export function proxyFor(url: URL, environment: Environment = process.env): URL | undefined {
  const read = (name: string): string => environment[name.toLowerCase()] ?? environment[name] ?? ''
  const name = url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY'
  const text = read(name).trim()
  if (text === '' || isExcepted(url, read('NO_PROXY'))) return undefined
  const address = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`
  const proxy = URL.canParse(address) ? new URL(address) : undefined
  if (proxy?.protocol === 'http:' || proxy?.protocol === 'https:') return proxy
  throw new ConfigError(`${name} in the environment is not the address of an http proxy.`, {
    code: 'E_PROXY',
    next: `Set it to http://HOST:PORT, or unset it.`,
  })
}

// example.org and .example.org mean the host and all below it; * means every host; a port narrows it.
function isExcepted({hostname, port, protocol}: URL, exceptions: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').toLowerCase()
  const usedPort = port === '' ? (protocol === 'https:' ? '443' : '80') : port
  return exceptions
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => {
      const [, name = entry, onlyPort] = /^(.*[^:]):(\d+)$/.exec(entry) ?? []
      const plain = name.replace(/^\[|\]$/g, '').replace(/^\*?\./, '')
      if (onlyPort !== undefined && onlyPort !== usedPort) return false
      return plain === '*' || host === plain || host.endsWith(`.${plain}`)
    })
}

/**
 * Names are looked up by the proxy, so what can be known here is looked up before it is asked: a name that leads to a
 * private address is refused where that is forbidden. A name that only the proxy knows is left to it.
 */
export async function checkThroughProxy({hostname}: URL, guard: AddressGuard): Promise<void> {
  const host = hostname.replace(/^\[|\]$/g, '')
  const addresses =
    isIP(host) === 0 ? await lookup(host, {all: true}).catch(() => []) : [{address: host, family: isIP(host)}]
  const problem = examine(addresses, guard)
  if (problem !== undefined) throw problem
}

export type TunnelOptions = {readonly timeoutMs: number; readonly signal: AbortSignal | undefined}

/**
 * Opens an encrypted connection to a server through its proxy, which cannot look into it.
 * @throws AttemptFailed, or the error of the connection
 */
export async function openTunnel(proxy: URL, url: URL, options: TunnelOptions): Promise<Socket> {
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const authority = `${url.hostname}:${url.port === '' ? '443' : url.port}`
  const socket = await connectThrough(proxy, url, authority, options)
  return connectTls({socket, host, ...(isIP(host) === 0 ? {servername: host} : {}), rejectUnauthorized: true})
}

/** The header with the user and password of a proxy's address. */
export function proxyCredentials({username, password}: URL): Readonly<Record<string, string>> {
  if (username === '' && password === '') return {}
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return {'proxy-authorization': `Basic ${Buffer.from(pair).toString('base64')}`}
}

function connectThrough(
  proxy: URL,
  url: URL,
  authority: string,
  {timeoutMs, signal}: TunnelOptions,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const request = (proxy.protocol === 'https:' ? httpsRequest : httpRequest)({
      host: proxy.hostname.replace(/^\[|\]$/g, ''),
      port: proxy.port === '' ? (proxy.protocol === 'https:' ? 443 : 80) : proxy.port,
      method: 'CONNECT',
      path: authority,
      headers: {host: authority, ...proxyCredentials(proxy)},
      agent: false,
      timeout: timeoutMs,
      signal,
    })
    request.on('timeout', () => request.destroy(new Error('the proxy does not answer')))
    request.on('error', (error) => {
      const reason = 'code' in error ? String(error.code) : error.message
      reject(
        signal?.aborted === true
          ? error
          : interrupted(url, `its proxy ${proxy.host} cannot be reached (${reason})`, {code: 'E_DL_PROXY'}),
      )
    })
    request.on('connect', ({statusCode = 0}, socket) => {
      if (statusCode === 200) {
        socket.setTimeout(0)
        resolve(socket)
        return
      }
      socket.destroy()
      const next = statusCode === 407 ? 'Put user and password into the address of the proxy.' : undefined
      reject(
        refused(url, `its proxy ${proxy.host} refuses (status ${statusCode})`, {
          code: 'E_DL_PROXY',
          ...(next === undefined ? {} : {next}),
        }),
      )
    })
    request.on('response', (response) => {
      response.destroy()
      reject(
        refused(url, `its proxy ${proxy.host} refuses (status ${response.statusCode ?? 0})`, {
          code: 'E_DL_PROXY',
        }),
      )
    })
    request.end()
  })
}
