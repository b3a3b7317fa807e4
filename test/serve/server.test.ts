import test from 'ava'
import {mkdtemp, rm} from 'node:fs/promises'
import {connect} from 'node:net'
import {request as httpRequest} from 'node:http'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {setTimeout as delay} from 'node:timers/promises'
import {z} from 'zod'
import {healthSchema, imageListSchema, predictReplySchema, problemSchema} from '../../src/serve/schemas.js'
import {runCli} from '../helpers/cli.js'
import {python} from '../helpers/python.js'
import {startServer, type TestServer} from '../helpers/server.js'

let folder = ''
let dataRoot = ''
let server: TestServer
let image = 0

test.before(async (t) => {
  folder = await mkdtemp(join(tmpdir(), 'vilbert-ts-serve-'))
  dataRoot = join(folder, 'world')
  const run = join(folder, 'runs', 'tiny')
  const common = ['--python', python]
  const steps = [
    ['data', 'synth', ...common, '--output', dataRoot, '--images', '24', '--seed', '5'],
    [
      'train',
      ...common,
      '--set',
      'model=tiny',
      '--data-root',
      dataRoot,
      '--output-dir',
      run,
      '--max-steps',
      '2',
    ],
  ]
  for (const args of steps) {
    const {exitCode, stderr} = await runCli(args)
    t.is(exitCode, 0, stderr)
  }
  server = await startServer([
    ...['--data-root', dataRoot, '--from-pretrained', join(run, 'last.pdparams')],
    ...['--runs', join(folder, 'runs'), '--queue', '3'],
  ])
  const images = imageListSchema.parse(await (await fetch(`${server.url}/api/v1/images?limit=1`)).json())
  image = images.images[0]?.id ?? 0
})

test.after.always(async (t) => {
  t.is(await server.stop(), 130)
  await rm(folder, {recursive: true, force: true})
})

test('predict answers as the command line does, and says what each word does', async (t) => {
  const phrase = 'the large red circle'
  const answer = await predict({image, phrase, topK: 4, attention: true, leaveOut: true})
  t.is(answer.status, 200)
  const reply = predictReplySchema.parse(await answer.json())
  const {stdout} = await runCli([
    ...['predict', '--python', python, '--data-root', dataRoot, '--image', `${image}`, '--phrase', phrase],
    ...['--from-pretrained', join(folder, 'runs', 'tiny', 'last.pdparams'), '--top-k', '4', '--json'],
  ])
  const printed = z.object({regions: predictReplySchema.shape.regions}).parse(JSON.parse(stdout))
  t.deepEqual(reply.regions, printed.regions)
  t.deepEqual(reply.words, phrase.split(' '))
  t.is(reply.leaveOut?.length, 4)
  t.is(reply.attention?.words.length, 4)
  for (const weights of reply.attention?.words ?? []) t.is(weights?.length, reply.attention?.boxes.length)
})

test('the picture, the list and what is known of an image are those of the data set', async (t) => {
  const list = imageListSchema.parse(await getJson('/images?split=val&limit=100'))
  t.true(list.total > 0)
  t.is(list.images.length, list.total)
  const picture = await get(`/images/${image}`)
  t.is(picture.headers.get('content-type'), 'image/jpeg')
  t.deepEqual([...new Uint8Array(await picture.arrayBuffer()).slice(0, 3)], [0xff, 0xd8, 0xff])
  const known = await fetch(`${server.url}/api/v1/images/${image}`, {headers: {accept: 'application/json'}})
  const details = z.object({id: z.int(), refs: z.array(z.object({sentences: z.array(z.string())}))})
  t.true(details.parse(await known.json()).refs.length > 0)
})

test('the OpenAPI document names every way in, and its schemas are those that requests are checked with', async (t) => {
  const document = z
    .object({
      openapi: z.string(),
      paths: z.record(z.string(), z.unknown()),
      components: z.object({schemas: z.record(z.string(), z.looseObject({required: z.array(z.string())}))}),
    })
    .parse(await getJson('/openapi.json'))
  t.is(document.openapi, '3.1.0')
  t.deepEqual(Object.keys(document.paths).sort(), [
    '/api/v1/health',
    '/api/v1/images',
    '/api/v1/images/{id}',
    '/api/v1/predict',
    '/api/v1/runs',
    '/api/v1/runs/{id}/events',
    '/api/v1/runs/{id}/metrics',
  ])
  t.deepEqual(document.components.schemas['PredictRequest']?.required, ['image', 'phrase'])
})

test('malformed requests are refused with their status and a sentence', async (t) => {
  const body = (text: string, type = 'application/json') =>
    fetch(`${server.url}/api/v1/predict`, {method: 'POST', headers: {'content-type': type}, body: text})
  const good = JSON.stringify({image, phrase: 'red'})
  const cases: readonly (readonly [string, Promise<Response>, number, string])[] = [
    ['half a document', body('{"image": 1,'), 400, 'E_JSON'],
    ['nothing', body(''), 400, 'E_JSON'],
    ['another type', body(good, 'text/plain'), 415, 'E_MEDIA_TYPE'],
    ['a form', body('image=1', 'application/x-www-form-urlencoded'), 415, 'E_MEDIA_TYPE'],
    ['wrong kinds', body('{"image": "1", "phrase": 5}'), 422, 'E_REQUEST'],
    ['an unknown key', body(JSON.stringify({image, phrase: 'red', __proto: 1})), 422, 'E_REQUEST'],
    ['an empty phrase', predict({image, phrase: ' \n '}), 422, 'E_REQUEST'],
    ['a phrase too long', predict({image, phrase: 'x'.repeat(501)}), 422, 'E_REQUEST'],
    ['no such image', predict({image: 999_999_999, phrase: 'red'}), 404, 'E_NO_IMAGE'],
    ['a huge body', body(`"${'x'.repeat(5_000_000)}"`), 413, 'E_LARGE_BODY'],
    ['another method', fetch(`${server.url}/api/v1/health`, {method: 'DELETE'}), 405, 'E_METHOD'],
    ['another place', get('/nothing'), 404, 'E_NOT_FOUND'],
    ['a limit too high', get('/images?limit=101'), 422, 'E_REQUEST'],
    ['a run that is none', get('/runs/none/metrics'), 404, 'E_NO_RUN'],
  ]
  for (const [title, answer, status, code] of cases) {
    const response = await answer
    t.is(response.status, status, title)
    const {error} = problemSchema.parse(await response.json())
    t.is(error.code, code, title)
    t.regex(error.message, /^[A-Z].*\.$/, title)
    t.truthy(response.headers.get('content-security-policy'), title)
  }
})

test('a body without a length that never ends is cut off, and every sender reads why', async (t) => {
  const piece = `4000\r\n${'x'.repeat(0x4000)}\r\n`
  const senders = Array.from({length: 20}, async () => {
    const socket = connect(server.port, '127.0.0.1')
    socket.write(
      'POST /api/v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n',
    )
    let sentBytes = 0
    const sending = setInterval(() => {
      sentBytes += piece.length
      socket.write(piece)
    }, 5)
    t.teardown(() => {
      clearInterval(sending)
      socket.destroy()
    })
    t.regex(await allOf(socket), /^HTTP\/1\.1 413 /)
    t.true(sentBytes < 50_000_000)
  })
  await Promise.all(senders)
})

test('a client that sends too slowly is closed', async (t) => {
  const heads = [
    'POST /api/v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{',
    'GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\nX-Slow: ',
  ]
  await Promise.all(
    heads.map(async (head) => {
      const socket = connect(server.port, '127.0.0.1')
      socket.write(head)
      const dripping = setInterval(() => socket.write(' '), 500)
      const startedMs = performance.now()
      const said = await allOf(socket)
      clearInterval(dripping)
      const tookMs = performance.now() - startedMs
      t.regex(said, /^HTTP\/1\.1 408 /)
      t.true(tookMs > 5000 && tookMs < 20_000, `${tookMs} ms`)
    }),
  )
})

test('no path leads out of the run folder, the data set or the page', async (t) => {
  const up = '../'.repeat(8)
  const ways = [
    up,
    encodeURIComponent(up),
    up.replaceAll('/', '%5c'),
    '%2e%2e/'.repeat(8),
    '....//'.repeat(8),
  ]
  for (const way of ways) {
    for (const place of ['/', '/page/', '/api/v1/images/', '/api/v1/runs/']) {
      for (const end of ['etc/passwd', 'etc/passwd%00.jpg', 'etc/metrics']) {
        const {status, text} = await raw(`${place}${way}${end}`, {})
        t.true([400, 404].includes(status), `${place}${way}${end}: ${status}`)
        t.notRegex(text, /root:/)
      }
    }
  }
  for (const id of ['..', '.', '%2e%2e', 'tiny%2f..%2ftiny', 'tiny/states', '%00']) {
    const {status} = await raw(`/api/v1/runs/${id}/metrics`, {})
    t.true([400, 404].includes(status), `${id}: ${status}`)
  }
})

test('only the own names are answered to, and pages of other sites are not', async (t) => {
  for (const host of ['localhost', `127.0.0.1:${server.port}`, '[::1]:99', 'LOCALHOST:1']) {
    t.is((await raw('/api/v1/health', {host})).status, 200, host)
  }
  const foreign = ['evil.example', '127.0.0.1.evil.example', 'localhost.', '192.168.1.5', '0.0.0.0']
  for (const host of foreign) {
    t.is((await raw('/', {host})).status, 403, host)
    t.is((await raw('/api/v1/health', {host})).status, 403, host)
  }
  const own = `127.0.0.1:${server.port}`
  t.is((await raw('/api/v1/health', {host: own, origin: `http://${own}`})).status, 200)
  t.is((await raw('/api/v1/health', {host: own, origin: 'http://evil.example'})).status, 403)
  t.is((await raw('/api/v1/health', {host: own, origin: 'null'})).status, 403)
  t.is((await raw('/api/v1/health', {host: own, 'sec-fetch-site': 'cross-site'})).status, 403)
})

test('others are let in only with the token', async (t) => {
  const runs = ['--runs', join(folder, 'runs')]
  const open = await runCli(['serve', '--python', python, ...runs, '--host', '0.0.0.0', '--port', '0'])
  t.is(open.exitCode, 3)
  t.regex(open.stderr, /nothing keeps them out/)
  const short = await runCli(['serve', '--python', python, ...runs, '--token', 'short', '--port', '0'])
  t.is(short.exitCode, 3)
  const token = 'a-token-of-enough-signs'
  const guarded = await startServer([...runs, '--host', '0.0.0.0'], {VILBERT_TS_TOKEN: token})
  t.teardown(() => guarded.stop())
  const ask = async (authorization?: string) =>
    await raw(
      '/api/v1/runs',
      {host: `10.0.0.1:${guarded.port}`, ...(authorization && {authorization})},
      guarded.port,
    )
  t.is((await ask()).status, 401)
  t.is((await ask()).headers['www-authenticate'], 'Bearer realm="vilbert-ts"')
  t.is((await ask(`Bearer ${token}`)).status, 200)
  t.is((await raw('/', {host: `10.0.0.1:${guarded.port}`}, guarded.port)).status, 200)
  t.is((await raw('/', {host: 'evil.example', authorization: `Bearer ${token}`}, guarded.port)).status, 403)
  const statuses: number[] = []
  for (const given of ['', 'x', token.slice(1), `${token}x`, 'Basic x', token.toUpperCase()]) {
    statuses.push((await ask(`Bearer ${given}`)).status)
  }
  t.deepEqual(new Set(statuses), new Set([401]))
  for (let guess = 0; guess < 6; guess += 1) statuses.push((await ask(`Bearer guess-${guess}`)).status)
  t.is(statuses.at(-1), 429, 'guessing is slowed down')
  t.is((await ask(`Bearer ${token}`)).status, 429)
})

test('who asks too often is told when to come back', async (t) => {
  const limited = await startServer(['--runs', join(folder, 'runs'), '--rate', '3'])
  t.teardown(() => limited.stop())
  const answers = await Promise.all(
    Array.from({length: 12}, async () => await fetch(`${limited.url}/api/v1/health`)),
  )
  const refused = answers.filter(({status}) => status === 429)
  t.true(refused.length >= 4 && refused.length <= 6, `${refused.length}`)
  t.is(refused[0]?.headers.get('retry-after'), '1')
  await delay(1100)
  t.is((await fetch(`${limited.url}/api/v1/health`)).status, 200)
})

test('without a model there are runs to look at, and a sentence for the rest', async (t) => {
  const bare = await startServer(['--runs', join(folder, 'runs')])
  t.teardown(() => bare.stop())
  t.is((await fetch(`${bare.url}/api/v1/runs/tiny/metrics`)).status, 200)
  const answer = await fetch(`${bare.url}/api/v1/images`)
  t.is(answer.status, 404)
  t.is(problemSchema.parse(await answer.json()).error.code, 'E_NO_MODEL')
})

test('a run is told as server-sent events from where one knows it, until it is done', async (t) => {
  const answer = await fetch(`${server.url}/api/v1/runs/tiny/events`)
  t.is(answer.headers.get('content-type'), 'text/event-stream')
  const text = await answer.text()
  t.regex(text, /event: lines\ndata: .*"step":2.*\nid: \d+\n/)
  t.regex(text, /event: state\ndata: \{"state":"finished"/)
  const last = /id: (\d+)\n\n$/.exec(text)?.[1] ?? ''
  const rest = await (await fetch(`${server.url}/api/v1/runs/tiny/events?from=${last}`)).text()
  t.notRegex(rest, /event: lines/)
})

test.serial('a full queue is answered with 503 and Retry-After, and nobody who waits is lost', async (t) => {
  const pid = await pythonPid()
  process.kill(pid, 'SIGSTOP')
  const accepted = ['red', 'blue', 'green', 'black'].map((phrase) => predict({image, phrase}))
  await until(async () => (await health()).queue?.waiting === 3)
  const refused = await predict({image, phrase: 'white'})
  t.is(refused.status, 503)
  t.regex(refused.headers.get('retry-after') ?? '', /^\d+$/)
  t.is(problemSchema.parse(await refused.json()).error.code, 'E_BUSY')
  t.is((await get('/images?limit=1')).status, 200, 'what needs no model is still answered')
  process.kill(pid, 'SIGCONT')
  const answers = await Promise.all(accepted)
  t.deepEqual(
    answers.map(({status}) => status),
    [200, 200, 200, 200],
  )
  t.is(predictReplySchema.parse(await answers[3]?.json()).phrase, 'black')
})

test.serial('a client that goes away leaves the queue', async (t) => {
  const pid = await pythonPid()
  process.kill(pid, 'SIGSTOP')
  const first = predict({image, phrase: 'red'})
  await delay(100)
  const leaving = new AbortController()
  const left = predict({image, phrase: 'blue'}, leaving.signal)
  await until(async () => (await health()).queue?.waiting === 1)
  leaving.abort()
  await t.throwsAsync(left, {any: true})
  await until(async () => (await health()).queue?.waiting === 0)
  process.kill(pid, 'SIGCONT')
  t.is((await first).status, 200)
})

test.serial(
  'a Python that is killed costs one request a 503, and the next ones get their answers',
  async (t) => {
    const {python: before} = await health()
    const pid = await pythonPid()
    process.kill(pid, 'SIGSTOP')
    const inPython = predict({image, phrase: 'red'})
    await delay(200)
    const waiting = predict({image, phrase: 'the blue square'})
    await until(async () => (await health()).queue?.waiting === 1)
    const startedMs = performance.now()
    process.kill(pid, 'SIGKILL')
    const crashed = await inPython
    t.is(crashed.status, 503)
    t.regex(crashed.headers.get('retry-after') ?? '', /^\d+$/)
    t.is(problemSchema.parse(await crashed.json()).error.code, 'E_MODEL_CRASHED')
    t.true(performance.now() - startedMs < 2000)
    t.is((await waiting).status, 200)
    t.is((await predict({image, phrase: 'red'})).status, 200)
    const {python: after, status} = await health()
    t.is(status, 'ok')
    t.is(after?.starts, (before?.starts ?? 0) + 1)
    t.not(after?.pid, pid)
  },
)

test.serial('a Python that is killed while nothing runs is not noticed', async (t) => {
  process.kill(await pythonPid(), 'SIGKILL')
  await until(async () => (await health()).status === 'restarting')
  t.is((await predict({image, phrase: 'red'})).status, 200)
})

async function predict(body: unknown, signal?: AbortSignal): Promise<Response> {
  return await fetch(`${server.url}/api/v1/predict`, {
    method: 'POST',
    headers: {'content-type': 'application/json'},
    body: JSON.stringify(body),
    ...(signal && {signal}),
  })
}

async function get(path: string): Promise<Response> {
  return await fetch(`${server.url}/api/v1${path}`)
}

async function getJson(path: string): Promise<unknown> {
  return await (await get(path)).json()
}

async function health() {
  return healthSchema.parse(await getJson('/health'))
}

async function pythonPid(): Promise<number> {
  const pid = (await health()).python?.pid
  if (pid == null) throw new Error('no Python runs')
  return pid
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 400; tries += 1) {
    if (await holds()) return
    await delay(25)
  }
  throw new Error('it did not come to that')
}

type Raw = {
  readonly status: number
  readonly text: string
  readonly headers: Readonly<Record<string, unknown>>
}

/** A request as it is written here: `fetch` would tidy up paths and refuse Host headers. */
async function raw(path: string, headers: Record<string, string>, port = server.port): Promise<Raw> {
  return await new Promise((resolve, reject) => {
    const request = httpRequest({host: '127.0.0.1', port, path, headers, agent: false}, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (piece: string) => {
        text += piece
      })
      response.on('end', () => {
        resolve({status: response.statusCode ?? 0, text, headers: response.headers})
      })
    })
    request.on('error', reject)
    request.end()
  })
}

/** What the other side says until it closes. */
async function allOf(socket: ReturnType<typeof connect>): Promise<string> {
  return await new Promise((resolve) => {
    let text = ''
    socket.setEncoding('utf8').on('data', (piece: string) => {
      text += piece
    })
    socket.on('error', () => undefined)
    socket.on('close', () => {
      resolve(text)
    })
  })
}
