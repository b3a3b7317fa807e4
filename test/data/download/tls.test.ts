import {existsSync, readFileSync} from 'node:fs'
import type {RequestListener} from 'node:http'
import {createServer} from 'node:https'
import type {AddressInfo} from 'node:net'
import {join} from 'node:path'
import test, {type ExecutionContext} from 'ava'
import {fetchFile} from '../../../src/data/download/fetch-file.js'
import {httpTransport} from '../../../src/data/download/http-transport.js'
import {packageRoot} from '../../../src/paths.js'
import {finished, startProgram, type CliResult} from '../../helpers/cli.js'
import {temporaryFolder} from '../../helpers/folders.js'

const tlsFolder = join(packageRoot, 'test', 'fixtures', 'tls')
const program = join(packageRoot, 'dist', 'test', 'helpers', 'download-program.js')

test('a certificate that nobody vouches for is refused', async (t) => {
  const url = await serveTls(t, (_request, response) => response.end('data'))
  const path = join(await temporaryFolder(t), 'file')
  const work = fetchFile({urls: [url], path, expected: {}, transportFor: () => httpTransport})
  t.like(await t.throwsAsync(work), {code: 'E_DL_TLS', exitCode: 6})
  t.false(existsSync(path))
})

test('a certificate that the user trusts is accepted', async (t) => {
  const url = await serveTls(t, (_request, response) => response.end('data'))
  const dataRoot = await temporaryFolder(t)
  const {exitCode, stderr} = await fetchTrusting(dataRoot, url)
  t.is(exitCode, 0, stderr)
  t.is(readFileSync(join(dataRoot, 'file'), 'utf8'), 'data')
})

test('a redirect from https to http is refused', async (t) => {
  const url = await serveTls(t, (_request, response) => {
    response.writeHead(302, {location: 'http://127.0.0.1:1/data'}).end()
  })
  const dataRoot = await temporaryFolder(t)
  const {exitCode, stderr} = await fetchTrusting(dataRoot, url)
  t.not(exitCode, 0)
  t.regex(stderr, /which is not encrypted/)
  t.false(existsSync(join(dataRoot, 'file')))
})

/** Node reads its list of authorities at the start, so trusting one more takes a process of its own. */
async function fetchTrusting(dataRoot: string, url: URL): Promise<CliResult> {
  const source = {
    ...{id: 'file', datasets: ['test'], kind: 'features', purpose: 'A test.', licence: 'none'},
    urls: [url.href],
    provides: ['file'],
  }
  const env = {NODE_EXTRA_CA_CERTS: join(tlsFolder, 'certificate.pem')}
  return finished(startProgram(program, [dataRoot, JSON.stringify(source)], {env}))
}

async function serveTls(t: ExecutionContext, listener: RequestListener): Promise<URL> {
  const server = createServer(
    {
      key: readFileSync(join(tlsFolder, 'key.pem')),
      cert: readFileSync(join(tlsFolder, 'certificate.pem')),
    },
    listener,
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return new URL(`https://127.0.0.1:${(server.address() as AddressInfo).port}/file`)
}
