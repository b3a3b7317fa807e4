import type {HttpBindings} from '@hono/node-server'
import {Hono, type Context} from 'hono'
import {methodNotAllowed} from 'hono/method-not-allowed'
import {streamSSE} from 'hono/streaming'
import {z} from 'zod'
import {checkHost, checkOrigin, checkToken, securityHeaders, type KnownHosts} from './guards.js'
import type {ImageCatalogue} from './image-catalogue.js'
import {doesNotFit, readJsonBody} from './json-body.js'
import type {ModelHost} from './model-host.js'
import {openApiDocument} from './openapi.js'
import {readPageFiles, type PageFile} from './page-files.js'
import {comeBackLater, HttpProblem, problemResponse, toProblem} from './problem.js'
import {RateLimit, type Rate} from './rate-limit.js'
import type {RunCatalogue} from './run-catalogue.js'
import {followRun} from './run-events.js'
import {predictRequestSchema, type Health} from './schemas.js'

export type AppOptions = {
  readonly version: string
  readonly hosts: KnownHosts
  /** Wanted from everybody who asks the API; without one nobody is asked. */
  readonly token?: string | undefined
  readonly rate: Rate
  readonly runs: RunCatalogue
  /** A model with the images it can be asked about; without it there are only runs to look at. */
  readonly served?: Served | undefined
  /** Aborted when the server closes: streams end. */
  readonly closing: AbortSignal
  /** Told of failures that are no client's fault. */
  readonly onProblem?: ((error: unknown) => void) | undefined
}

export type Served = {
  readonly model: Pick<ModelHost, 'predict' | 'health' | 'file'>
  readonly images: ImageCatalogue
  readonly dataset: string
  readonly splitBy: string
}

type Environment = {readonly Bindings: HttpBindings}

/** Trying tokens is slow work. */
const wrongTokens: Rate = {perSecond: 0.2, burst: 10}

/** Connections that follow runs; each holds a timer and a file. */
const maxFollowers = 64

/** The server without its socket: every way in, and what guards it. */
export function createApp(options: AppOptions): Hono<Environment> {
  const app = new Hono<Environment>()
  const files = readPageFiles()
  app.onError((error) => {
    const problem = toProblem(error)
    if (problem.status >= 500 && !(error instanceof HttpProblem)) options.onProblem?.(error)
    return problemResponse(problem)
  })
  app.notFound(() => problemResponse(new HttpProblem(404, 'E_NOT_FOUND', 'There is nothing here.')))
  guard(app, options)
  app.get('/', () => pageResponse(files.get('index.html')))
  app.get('/page/:name', (context) => pageResponse(files.get(context.req.param('name'))))
  app.get('/api/v1/openapi.json', (context) => context.json(openApiDocument(options.version)))
  app.get('/api/v1/health', (context) => context.json(health(options)))
  addRuns(app, options)
  addImages(app, options)
  app.post('/api/v1/predict', async (context) => {
    const {model, images} = required(options.served)
    const request = await readJsonBody(context.req.raw, predictRequestSchema)
    images.require(request.image)
    return context.json(await model.predict(request, context.req.raw.signal))
  })
  return app
}

/** Everything that is checked before a request is looked at; what costs least comes first. */
function guard(app: Hono<Environment>, {hosts, rate, token}: AppOptions): void {
  const requests = new RateLimit(rate)
  const mistakes = new RateLimit(wrongTokens)
  app.use(async (context, next) => {
    await next()
    for (const [name, value] of Object.entries(securityHeaders)) context.res.headers.set(name, value)
    if (!context.res.headers.has('cache-control')) context.res.headers.set('cache-control', 'no-store')
  })
  app.use(
    methodNotAllowed({
      app,
      onMethodNotAllowed: (_, methods) =>
        problemResponse(
          new HttpProblem(405, 'E_METHOD', `Only ${methods.join(', ')} can be used here.`, {
            headers: {allow: methods.join(', ')},
          }),
        ),
    }),
  )
  app.use(async (context, next) => {
    checkHost(context.req.header('host'), hosts)
    requests.take(addressOf(context))
    await next()
  })
  app.use('/api/*', async (context, next) => {
    checkOrigin(context.req.raw.headers)
    if (token !== undefined) {
      mistakes.check(addressOf(context))
      try {
        checkToken(context.req.header('authorization'), token)
      } catch (problem) {
        // A page that does not know the token yet asks once without one.
        if (context.req.header('authorization') !== undefined) mistakes.take(addressOf(context))
        throw problem
      }
    }
    await next()
  })
}

function addRuns(app: Hono<Environment>, {runs, closing, onProblem}: AppOptions): void {
  let followers = 0
  app.get('/api/v1/runs', async (context) => context.json({runs: await runs.list()}))
  app.get('/api/v1/runs/:id/metrics', async (context) =>
    context.json(await runs.metrics(context.req.param('id'))),
  )
  app.get('/api/v1/runs/:id/events', async (context) => {
    const id = context.req.param('id')
    const {from} = fit(fromSchema, {from: context.req.header('last-event-id') ?? context.req.query('from')})
    await runs.metrics(id)
    if (followers >= maxFollowers) {
      throw comeBackLater('E_FOLLOWERS', 'Too many are following runs already.', 10)
    }
    followers += 1
    const ended = new AbortController()
    const end = (): void => {
      ended.abort()
    }
    closing.addEventListener('abort', end)
    return streamSSE(
      context,
      async (stream) => {
        stream.onAbort(end)
        try {
          for await (const {type, ...data} of followRun(runs, id, {from, signal: ended.signal})) {
            await stream.writeSSE({event: type, id: String(data.offset), data: JSON.stringify(data)})
          }
        } finally {
          followers -= 1
          closing.removeEventListener('abort', end)
        }
      },
      (error) => {
        onProblem?.(error)
        return Promise.resolve()
      },
    )
  })
}

const whole = z.coerce.number().int().min(0)
const fromSchema = z.object({from: whole.default(0)})
const listSchema = z.object({
  split: z.string().max(40).optional(),
  offset: whole.default(0),
  limit: whole.max(100).default(24),
})
const idSchema = z.object({id: z.string().regex(/^\d{1,15}$/, 'must be a number')})

function addImages(app: Hono<Environment>, {served}: AppOptions): void {
  app.get('/api/v1/images', async (context) => {
    const {images} = required(served)
    return context.json(await images.list(fit(listSchema, context.req.query())))
  })
  app.get('/api/v1/images/:id', async (context) => {
    const {images} = required(served)
    const parsed = idSchema.safeParse({id: context.req.param('id')})
    if (!parsed.success) throw new HttpProblem(404, 'E_NO_IMAGE', 'An image is named by its number.')
    const id = Number(parsed.data.id)
    context.header('vary', 'accept')
    if (/\bapplication\/json\b/.test(context.req.header('accept') ?? ''))
      return context.json(await images.details(id))
    const {bytes, type} = await images.picture(id)
    return context.body(bytes, 200, {'content-type': type, 'cache-control': 'private, max-age=300'})
  })
}

function health({version, served}: AppOptions): Health {
  if (served === undefined) return {status: 'no model', version, model: null, python: null, queue: null}
  const {model, images, dataset, splitBy} = served
  const {python, queue} = model.health
  const status = python?.pid == null ? 'restarting' : 'ok'
  return {status, version, model: {file: model.file, dataset, splitBy, images: images.size}, python, queue}
}

function pageResponse(file: PageFile | undefined): Response {
  if (file === undefined) throw new HttpProblem(404, 'E_NOT_FOUND', 'There is nothing here.')
  return new Response(file.bytes, {headers: {'content-type': file.type, 'cache-control': 'no-cache'}})
}

function required(served: Served | undefined): Served {
  if (served !== undefined) return served
  throw new HttpProblem(404, 'E_NO_MODEL', 'This server has no model.', {
    next: 'Start it with --from-pretrained FILE and --data-root DIR.',
  })
}

/** @throws HttpProblem 422 */
function fit<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw doesNotFit(parsed.error)
}

function addressOf(context: Pick<Context<Environment>, 'env'>): string {
  return context.env.incoming.socket.remoteAddress ?? ''
}
