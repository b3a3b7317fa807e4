import {existsSync, readdirSync, readFileSync} from 'node:fs'
import {join} from 'node:path'
import test, {type ExecutionContext} from 'ava'
import {fetchFile, type FetchOptions, type Fetched} from '../../../src/data/download/fetch-file.js'
import {httpTransport} from '../../../src/data/download/http-transport.js'
import {NetworkError} from '../../../src/errors.js'
import {startFaultsServer, type FaultsServer} from '../../helpers/faults-server.js'
import {sha256Of} from '../../helpers/file-hash.js'
import {temporaryFolder} from '../../helpers/folders.js'
import {settle} from '../../helpers/python.js'

let server: FaultsServer
test.before(async () => {
  server = await startFaultsServer()
})
test.after.always(async () => {
  await server.stop()
})

/** How a route must end: with a version of the file, or with one of the error codes; after at most so many requests. */
type Route = {
  readonly path: string
  readonly version?: 1 | 2
  readonly codes?: readonly string[]
  readonly requests: number
  /** Which version is asked for; by default the first, 0 for one whose hash nobody knows. */
  readonly wanted?: 0 | 1 | 2
}

const attempts = 4

const routes: readonly Route[] = [
  {path: '/ok', version: 1, requests: 1},
  {path: '/cut', version: 1, requests: 2},
  {path: '/cut-always', version: 1, requests: 4},
  {path: '/cut-reset', version: 1, requests: 2},
  {path: '/zero-progress', codes: ['E_DL_CONNECTION'], requests: attempts},
  {path: '/short', codes: ['E_DL_SIZE'], requests: 1},
  {path: '/long', version: 1, requests: 1},
  {path: '/no-length', version: 1, requests: 1},
  {path: '/chunked', version: 1, requests: 1},
  {path: '/chunked-cut', codes: ['E_DL_CONNECTION'], requests: attempts},
  {path: '/range-416', version: 1, requests: 3},
  {path: '/range-200', version: 1, requests: 2},
  {path: '/range-wrong', codes: ['E_DL_RANGE', 'E_DL_CONNECTION'], requests: attempts},
  {path: '/range-lie', codes: ['E_DL_CHECKSUM'], requests: 4},
  {path: '/etag-change', version: 2, requests: 2, wanted: 2},
  {path: '/etag-change-no-ifrange', version: 2, requests: 3, wanted: 2},
  {path: '/flip', codes: ['E_DL_CHECKSUM'], requests: 1},
  {path: '/500-then-ok?k=2', version: 1, requests: 3},
  {path: '/503-retry-after?s=1', version: 1, requests: 2},
  {path: '/429?k=1', version: 1, requests: 2},
  {path: '/403', codes: ['E_DL_403'], requests: 1},
  {path: '/404', codes: ['E_DL_404'], requests: 1},
  {path: '/410', codes: ['E_DL_410'], requests: 1},
  {path: '/403-html', codes: ['E_DL_403'], requests: 1},
  {path: '/html', codes: ['E_DL_HTML'], requests: 1},
  {path: '/html-octet', codes: ['E_DL_HTML'], requests: 1},
  {path: '/drive', codes: ['E_DL_HTML'], requests: 1},
  {path: '/drip?ms=2', codes: ['E_DL_SIZE'], requests: 1},
  {path: '/stall', codes: ['E_DL_TIMEOUT'], requests: attempts},
  {path: '/slow-header', codes: ['E_DL_TIMEOUT'], requests: attempts},
  {path: '/never', codes: ['E_DL_TIMEOUT'], requests: attempts},
  {path: '/gzip', codes: ['E_DL_ENCODING'], requests: 1},
  {path: '/gzip-bomb', codes: ['E_DL_ENCODING'], requests: 1},
  {path: '/redirect-loop', codes: ['E_DL_REDIRECT'], requests: 11},
  {path: '/redirect-file', codes: ['E_DL_REDIRECT'], requests: 1},
  {path: '/redirect-ftp', codes: ['E_DL_REDIRECT'], requests: 1},
  {path: '/redirect-noloc', codes: ['E_DL_REDIRECT'], requests: 1},
  {path: '/redirect-local', codes: ['E_DL_PRIVATE'], requests: 1},
  {path: '/auth-leak', codes: ['E_DL_PRIVATE'], requests: 1},
  {path: '/redirect?to=slow&k=3', version: 1, requests: 3},
  {path: '/name?f=..%2F..%2Fx', version: 1, requests: 1},
  {path: '/s3/bucket/ok', version: 1, requests: 1},
  {path: '/s3/bucket/missing', codes: ['E_DL_404'], requests: 1},
  {path: '/s3/bucket/denied', codes: ['E_DL_403'], requests: 1},
  {path: '/s3/bucket/cut', version: 1, requests: 2},
  {path: '/s3/bucket/slowdown', version: 1, requests: 3},
]

for (const route of routes) {
  test(`${route.path} ends ${route.codes === undefined ? 'with the right file' : 'with a clear error'}`, async (t) => {
    await expectRoute(t, server, route)
  })
}

// What nobody knows the hash of, where the server's own words are enough to tell.
const unknownRoutes: readonly Route[] = [
  {path: '/cut', version: 1, requests: 2},
  {path: '/cut-reset', version: 1, requests: 2},
  {path: '/no-length', codes: ['E_DL_LENGTH'], requests: 1},
  {path: '/chunked', version: 1, requests: 1},
  {path: '/chunked-cut', codes: ['E_DL_CONNECTION'], requests: attempts},
  {path: '/range-200', version: 1, requests: 2},
  {path: '/range-wrong', codes: ['E_DL_RANGE', 'E_DL_CONNECTION'], requests: attempts},
  {path: '/etag-change', version: 2, requests: 2},
  {path: '/etag-change-no-ifrange', version: 2, requests: 3},
  {path: '/html-octet', codes: ['E_DL_HTML'], requests: 1},
]

test('without a known hash, only a file whose wholeness is certain gets its name', async (t) => {
  const other = await startFaultsServer()
  t.teardown(() => other.stop())
  for (const route of unknownRoutes) await expectRoute(t, other, {...route, wanted: 0})
})

test('a version that changed on the way is not the one that was asked for', async (t) => {
  const other = await startFaultsServer()
  t.teardown(() => other.stop())
  for (const path of ['/etag-change', '/etag-change-no-ifrange']) {
    await expectRoute(t, other, {path, codes: ['E_DL_CHECKSUM'], requests: 4})
  }
})

test('a server that gives a little each time is not asked without end', async (t) => {
  const other = await startFaultsServer()
  t.teardown(() => other.stop())
  await expectRoute(t, other, {path: '/cut-always?n=1000', codes: ['E_DL_CONNECTION'], requests: attempts})
})

test('too many redirects end', async (t) => {
  const other = await startFaultsServer()
  t.teardown(() => other.stop())
  await expectRoute(t, other, {path: '/redirect?to=ok&k=20', codes: ['E_DL_REDIRECT'], requests: 11})
})

test('with --allow-private a redirect to a private address is followed', async (t) => {
  const other = await startFaultsServer()
  t.teardown(() => other.stop())
  const {error} = await fetchRoute(t, other, {path: '/redirect-local', requests: 1}, {allowPrivate: true})
  t.like(error, {code: 'E_DL_SIZE'})
  t.is((await other.stats()).count['GET/ssrf-hit'], 1)
})

test('credentials go to the server they are for and to no other', async (t) => {
  const other = await startFaultsServer()
  t.teardown(() => other.stop())
  const folder = await temporaryFolder(t)
  const url = other.url('/auth-leak')
  url.username = 'ann'
  url.password = 'secret'
  const path = join(folder, 'file')
  await fetchFile({...options(path, url), expected: {}, allowPrivate: true})
  t.deepEqual(JSON.parse(readFileSync(path, 'utf8')), {leaked: false})
  const {log} = await other.stats()
  t.is(log.find((request) => request.path === '/auth-leak')?.auth, 'Basic YW5uOnNlY3JldA==')
})

test('the second mirror is asked when the first has not the file, and messages hold no passwords', async (t) => {
  const other = await startFaultsServer()
  t.teardown(() => other.stop())
  const folder = await temporaryFolder(t)
  const first = other.url('/404?token=hidden')
  first.username = 'ann'
  first.password = 'secret'
  const notes: string[] = []
  const fetched = await fetchFile({
    ...options(join(folder, 'file'), first),
    urls: [first, other.url('/slow')],
    onNote: (line) => notes.push(line),
  })
  t.is(fetched.url.pathname, '/slow')
  t.regex(notes.join(), /\/404/)
  t.notRegex(notes.join(), /secret|hidden|ann/)
})

test('a mirror that is silent or busy is left for the next one after two attempts', async (t) => {
  const other = await startFaultsServer()
  t.teardown(() => other.stop())
  const urls = [other.url('/slow-header'), other.url('/500-then-ok?k=9'), other.url('/ok')]
  const path = join(await temporaryFolder(t), 'file')
  const fetched = await fetchFile({...options(path, other.url('/')), urls, timeoutMs: 400})
  t.is(fetched.url.pathname, '/ok')
  t.like(await other.stats(), {count: {'GET/slow-header': 2, 'GET/500-then-ok': 2}})
})

test('when no mirror has the file, one sentence says why for each', async (t) => {
  const other = await startFaultsServer()
  t.teardown(() => other.stop())
  const folder = await temporaryFolder(t)
  const urls = [other.url('/404'), other.url('/410')]
  const error = await t.throwsAsync(fetchFile({...options(join(folder, 'file'), other.url('/')), urls}), {
    instanceOf: NetworkError,
  })
  t.regex(error.message, /\/404: .*; .*\/410: /)
  t.is(error.exitCode, 6)
})

test('a server that is not there is an error with exit code 6', async (t) => {
  const folder = await temporaryFolder(t)
  const work = fetchFile(options(join(folder, 'file'), new URL('http://127.0.0.1:1/x')))
  t.like(await t.throwsAsync(work), {code: 'E_DL_CONNECTION', exitCode: 6})
})

/** Fetches and checks everything that must hold, however it ends. */
async function expectRoute(t: ExecutionContext, faults: FaultsServer, route: Route): Promise<void> {
  const before = await requestsTo(faults, route)
  const {error, value, path} = await fetchRoute(t, faults, route)
  t.true((await requestsTo(faults, route)) - before <= route.requests, 'the number of requests is bounded')
  t.is((await faults.stats()).count['GET/ssrf-hit'], undefined, 'the internal service is not reached')
  if (route.codes !== undefined) {
    t.true(
      error instanceof NetworkError && route.codes.includes(error.code),
      `${route.path}: ${String(error)}`,
    )
    t.like(error, {exitCode: 6})
    t.false(existsSync(path), 'nothing has the final name')
    return
  }
  const sha256 = faults.sha256[(route.version ?? 1) - 1] ?? ''
  t.is(error, undefined)
  t.is(value?.sha256, sha256)
  t.is(sha256Of(path), sha256)
  t.deepEqual(readdirSync(join(path, '..')), ['file'], 'nothing else is left')
}

async function fetchRoute(
  t: ExecutionContext,
  faults: FaultsServer,
  route: Route,
  more: Partial<FetchOptions> = {},
): Promise<{error?: unknown; value?: Fetched; path: string}> {
  const path = join(await temporaryFolder(t), 'file')
  const wanted = route.wanted ?? 1
  const expected = wanted === 0 ? {} : {sizeBytes: faults.sizeBytes, sha256: faults.sha256[wanted - 1]}
  const timeoutMs = route.codes?.includes('E_DL_TIMEOUT') === true ? 400 : 20_000
  const work = fetchFile({...options(path, faults.url(route.path)), expected, timeoutMs, ...more})
  return {...(await settle(work, 60_000)), path}
}

async function requestsTo(faults: FaultsServer, route: Route): Promise<number> {
  const {log} = await faults.stats()
  return log.filter(({path}) => path === new URL(route.path, faults.origin).pathname).length
}

function options(path: string, url: URL): FetchOptions {
  return {
    urls: [url],
    path,
    expected: {sizeBytes: server.sizeBytes, sha256: server.sha256[0]},
    transportFor: () => httpTransport,
    attempts,
    backOffMs: 5,
  }
}
