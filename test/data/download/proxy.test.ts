import {existsSync, readFileSync} from 'node:fs'
import {createServer as createHttp, get, type Server} from 'node:http'
import {createServer as createHttps} from 'node:https'
import {connect, type AddressInfo} from 'node:net'
import {join} from 'node:path'
import test, {type ExecutionContext} from 'ava'
import {proxyFor} from '../../../src/data/download/proxy.js'
import {packageRoot} from '../../../src/paths.js'
import {finished, startProgram, type CliResult} from '../../helpers/cli.js'
import {temporaryFolder} from '../../helpers/folders.js'

const tlsFolder = join(packageRoot, 'test', 'fixtures', 'tls')
const program = join(packageRoot, 'dist', 'test', 'helpers', 'download-program.js')

test('the environment says which proxy is for which address', (t) => {
  const environment = {
    HTTPS_PROXY: 'http://user:secret@proxy.example:8080',
    http_proxy: 'plain.example:3128',
    NO_PROXY: 'localhost, .inner.example,exact.example:8443 127.0.0.1,[::1]',
  }
  const chosen = (url: string): string | undefined => proxyFor(new URL(url), environment)?.host
  t.is(chosen('https://data.example/x'), 'proxy.example:8080')
  t.is(chosen('http://data.example/x'), 'plain.example:3128')
  for (const url of [
    ...['https://localhost/x', 'https://a.inner.example', 'https://inner.example', 'http://127.0.0.1:9/'],
    ...['https://exact.example:8443/', 'http://[::1]/x'],
  ])
    t.is(chosen(url), undefined, url)
  t.is(chosen('https://exact.example/'), 'proxy.example:8080')
  t.is(chosen('https://notinner.example/'), 'proxy.example:8080')
  t.is(proxyFor(new URL('https://data.example'), {}), undefined)
  t.is(proxyFor(new URL('https://data.example'), {HTTPS_PROXY: 'http://p', NO_PROXY: '*'}), undefined)
  t.throws(() => proxyFor(new URL('https://data.example'), {HTTPS_PROXY: 'socks5://p:1'}), {code: 'E_PROXY'})
})

for (const scheme of ['http', 'https'] as const) {
  test(`${scheme} goes through the proxy, with its user and password`, async (t) => {
    const server = await serve(t, scheme, 'the data')
    const proxy = await openProxy(t, 'Basic dXNlcjpzZWNyZXQ=')
    const dataRoot = await temporaryFolder(t)
    const environment = {[`${scheme}_proxy`]: `http://user:secret@127.0.0.1:${proxy.port}`}
    const {exitCode, stderr} = await fetchThrough(dataRoot, `${scheme}://127.0.0.1:${server}/x`, environment)
    t.is(exitCode, 0, stderr)
    t.is(readFileSync(join(dataRoot, 'file'), 'utf8'), 'the data')
    const asked = `127.0.0.1:${server}`
    t.deepEqual(proxy.asked, [scheme === 'https' ? asked : `http://${asked}/x`])
  })
}

test('an address of NO_PROXY is fetched without it', async (t) => {
  const server = await serve(t, 'http', 'the data')
  const proxy = await openProxy(t)
  const dataRoot = await temporaryFolder(t)
  const environment = {http_proxy: `http://127.0.0.1:${proxy.port}`, no_proxy: '127.0.0.1'}
  t.is((await fetchThrough(dataRoot, `http://127.0.0.1:${server}/x`, environment)).exitCode, 0)
  t.deepEqual(proxy.asked, [])
})

test('a proxy that refuses or is not there is named, and nothing is written', async (t) => {
  const server = await serve(t, 'https', 'the data')
  const proxy = await openProxy(t, 'Basic right')
  for (const [address, says] of [
    [`http://user:wrong@127.0.0.1:${proxy.port}`, /its proxy 127\.0\.0\.1:\d+ refuses \(status 407\)/],
    ['http://127.0.0.1:1', /its proxy 127\.0\.0\.1:1 cannot be reached \(ECONNREFUSED\)/],
  ] as const) {
    const dataRoot = await temporaryFolder(t)
    const failed = await fetchThrough(dataRoot, `https://127.0.0.1:${server}/x`, {https_proxy: address})
    t.not(failed.exitCode, 0)
    t.regex(failed.stderr, says)
    t.notRegex(failed.stderr, /wrong/)
    t.false(existsSync(join(dataRoot, 'file')))
  }
})

test('through a proxy too, a public server cannot redirect to a private address', async (t) => {
  const inner = await serve(t, 'http', 'what nobody may see')
  const outer = await serve(t, 'http', '', `http://127.0.0.1:${inner}/x`)
  // The name is known to the proxy alone, which leads it to the loopback server: for us it is public.
  const proxy = await openProxy(t, undefined, outer)
  const dataRoot = await temporaryFolder(t)
  const environment = {http_proxy: `http://127.0.0.1:${proxy.port}`}
  const failed = await fetchThrough(dataRoot, 'http://public.invalid/x', environment)
  t.not(failed.exitCode, 0)
  t.regex(failed.stderr, /a redirect leads to this private address/)
  t.deepEqual(proxy.asked, ['http://public.invalid/x'])
})

/** The proxy of the environment must not be that of this process. */
async function fetchThrough(
  dataRoot: string,
  url: string,
  environment: Readonly<Record<string, string>>,
): Promise<CliResult> {
  const source = {
    ...{id: 'file', datasets: ['test'], kind: 'features', purpose: 'A test.', licence: 'none'},
    urls: [url],
    provides: ['file'],
  }
  const env = {NODE_EXTRA_CA_CERTS: join(tlsFolder, 'certificate.pem'), NO_PROXY: '', no_proxy: ''}
  return finished(startProgram(program, [dataRoot, JSON.stringify(source)], {env: {...env, ...environment}}))
}

async function serve(
  t: ExecutionContext,
  scheme: 'http' | 'https',
  body: string,
  redirect?: string,
): Promise<number> {
  const tls = {
    key: readFileSync(join(tlsFolder, 'key.pem')),
    cert: readFileSync(join(tlsFolder, 'certificate.pem')),
  }
  const server = scheme === 'https' ? createHttps(tls) : createHttp()
  server.on('request', (_request, response) => {
    if (redirect === undefined) response.end(body)
    else response.writeHead(302, {location: redirect}).end()
  })
  return listening(t, server)
}

type Proxy = {readonly port: number; readonly asked: readonly string[]}

/** A proxy that wants credentials, or leads every name to one port, where that is given. Tunnels are for https. */
async function openProxy(t: ExecutionContext, credentials?: string, leadsTo?: number): Promise<Proxy> {
  const asked: string[] = []
  const proxy = createHttp()
  proxy.on('connect', ({url = '', headers}, client) => {
    client.on('error', () => undefined)
    if (credentials !== undefined && headers['proxy-authorization'] !== credentials) {
      client.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n')
      return
    }
    asked.push(url)
    const server = connect(leadsTo ?? Number(url.split(':')[1]), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n')
      server.pipe(client)
      client.pipe(server)
    })
    server.on('error', () => client.destroy())
  })
  proxy.on('request', ({url = '', headers}, response) => {
    if (credentials !== undefined && headers['proxy-authorization'] !== credentials) {
      response.writeHead(407).end()
      return
    }
    asked.push(url)
    const {port, pathname} = new URL(url)
    get({host: '127.0.0.1', port: leadsTo ?? port, path: pathname, agent: false}, (answer) => {
      response.writeHead(answer.statusCode ?? 0, answer.headers)
      answer.pipe(response)
    })
  })
  return {port: await listening(t, proxy), asked}
}

async function listening(t: ExecutionContext, server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return (server.address() as AddressInfo).port
}
