import {once} from 'node:events'
import type {Server} from 'node:http'
import {hostname} from 'node:os'
import type {AddressInfo} from 'node:net'
import {createAdaptorServer} from '@hono/node-server'
import type {DataSource} from '../data/data-source.js'
import {prepareData} from '../data/prepare.js'
import {ConfigError, DataError, EnvironmentError, printable} from '../errors.js'
import type {Engine} from '../config/precision.js'
import type {OnExportProgress} from '../model/engine.js'
import type {ModelSource} from '../model/model-source.js'
import {packageVersion} from '../package-version.js'
import {picturesFolder} from '../report/run-split.js'
import {createApp, type Served} from './app.js'
import {ImageCatalogue} from './image-catalogue.js'
import {ModelHost} from './model-host.js'
import type {Rate} from './rate-limit.js'
import {RunCatalogue} from './run-catalogue.js'

/** What {@link serve} shows, where, and to whom. */
export type ServeOptions = {
  /** Address to listen on; one that others can reach needs a token. @default '127.0.0.1' */
  readonly host?: string | undefined
  /** 0 takes a free one. @default 7860 */
  readonly port?: number | undefined
  /** Wanted as `Authorization: Bearer …`; 16 to 200 printable characters without blanks. */
  readonly token?: string | undefined
  /** Further names that the server may be asked under. */
  readonly allowHosts?: readonly string[] | undefined
  /** The model to ask; without it there are only runs to look at. */
  readonly model?: ModelSource | undefined
  /** Code that computes. @default 'auto', the fastest one that is there */
  readonly engine?: Engine | undefined
  /** Told how far the export of the model's graph is, where `engine` asks for one that is not there yet. */
  readonly onExportProgress?: OnExportProgress | undefined
  /** Needed with a model. */
  readonly data?: DataSource | undefined
  /** Folder of the image files. @default `images/mscoco/images/train2014` below the data root */
  readonly images?: string | undefined
  /** Folder of training runs. @default 'checkpoints' */
  readonly runs?: string | undefined
  /** Requests that may wait for the model; more are answered with 503. @default 256 */
  readonly queue?: number | undefined
  /** Requests a second that a client may make in the long run. @default 1000 */
  readonly ratePerSecond?: number | undefined
  /** How long the model may take for an answer, and a request may wait for its turn. @default 60000 */
  readonly predictTimeoutMs?: number | undefined
  /** How long a client may take to send its request. @default 10000 */
  readonly requestTimeoutMs?: number | undefined
  readonly python?: string | undefined
  /** Told of failures that are no client's fault. */
  readonly onProblem?: ((error: unknown) => void) | undefined
  /** Told what Python prints. */
  readonly onStderr?: ((text: string) => void) | undefined
  /** Aborts the start. */
  readonly signal?: AbortSignal | undefined
}

/** A server that answers until it is closed. */
export type RunningServer = AsyncDisposable & {
  /** Where it is, such as `http://127.0.0.1:7860`. */
  readonly url: string
  /** Lets the requests under way end for 2 s, then closes everything, Python too. */
  close(): Promise<void>
}

/**
 * Serves a model, the images of its data set and training runs over HTTP, with a page to look at them.
 * @throws ConfigError where others could reach it without a token; EnvironmentError where the port is taken; as the
 * model and the data fail
 */
export async function serve(options: ServeOptions = {}): Promise<RunningServer> {
  const {host = '127.0.0.1', port = 7860, token, runs = 'checkpoints'} = options
  checkAccess(host, token)
  const closing = new AbortController()
  const served = await openServed(options)
  const app = createApp({
    version: packageVersion(),
    hosts: {names: hostNames(host, options.allowHosts ?? []), anyAddress: !isLoopback(host)},
    token,
    rate: rateOf(options.ratePerSecond ?? 1000),
    runs: new RunCatalogue(runs),
    served,
    closing: closing.signal,
    onProblem: options.onProblem,
  })
  const server = newServer(app.fetch, options.requestTimeoutMs ?? 10_000)
  await listen(server, host, port).catch(async (error: unknown) => {
    await served?.model.close()
    throw error
  })
  let closed: Promise<void> | undefined
  const close = (): Promise<void> => {
    closing.abort()
    closed ??= closeServer(server).then(() => served?.model.close())
    return closed
  }
  return {url: urlOf(server, host), close, [Symbol.asyncDispose]: close}
}

const tokenForm = /^[\x21-\x7e]{16,200}$/

/** Whoever can reach the server can use the model: that others can is never an accident. */
function checkAccess(host: string, token: string | undefined): void {
  if (token === undefined && !isLoopback(host)) {
    throw new ConfigError(`Others can reach ${printable(host)}, and nothing keeps them out.`, {
      code: 'E_TOKEN_NEEDED',
      next: 'Pass --token TEXT, which everybody who asks then needs, or leave --host out.',
    })
  }
  if (token !== undefined && !tokenForm.test(token)) {
    throw new ConfigError('The token can be guessed or does not fit into a header.', {
      code: 'E_TOKEN_FORM',
      next: 'Use 16 to 200 letters, digits and signs without blanks, e.g. from `openssl rand -hex 16`.',
    })
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}

/** The names by which a browser on this machine, or on one that may reach it, asks for the server. */
function hostNames(host: string, more: readonly string[]): ReadonlySet<string> {
  const own = isLoopback(host) ? [] : [hostname()]
  const names = ['localhost', '127.0.0.1', '::1', host, ...own, ...more]
  return new Set(names.map((name) => name.toLowerCase()))
}

function rateOf(perSecond: number): Rate {
  return {perSecond, burst: 2 * perSecond}
}

/** The images first: they say which one to try the model with. */
async function openServed({
  model,
  data,
  images,
  queue,
  ...options
}: ServeOptions): Promise<(Served & {readonly model: ModelHost}) | undefined> {
  if (model === undefined) return undefined
  if (data === undefined) {
    throw new ConfigError('Nothing says which images the model is to be asked about.', {
      code: 'E_NO_DATA_ROOT',
      next: 'Pass --data-root DIR.',
    })
  }
  const {engine, onExportProgress, python, onStderr, signal, predictTimeoutMs = 60_000} = options
  const prepared = await prepareData({
    dataRoot: data.dataRoot,
    dataset: data.dataset ?? 'refcoco+',
    splitBy: data.splitBy,
    cacheDir: data.cacheDir ?? undefined,
    annotated: false,
    signal,
    onProgress: data.onPrepareProgress,
  })
  const catalogue = await ImageCatalogue.open(images ?? picturesFolder(data.dataRoot), prepared)
  const firstImage = catalogue.firstId
  if (firstImage === undefined) throw new DataError(`${printable(data.dataRoot, 300)} has no images.`)
  const limits = {queueLimit: queue ?? 256, predictTimeoutMs}
  const host = await ModelHost.open({
    ...{model, data: prepared, firstImage, engine, onExportProgress, python, onStderr, signal},
    ...limits,
  })
  return {model: host, images: catalogue, dataset: prepared.dataset, splitBy: prepared.splitBy}
}

type Fetch = Parameters<typeof createAdaptorServer>[0]['fetch']

/** A slow client costs a socket for a while and nothing else: it is closed, and there are only so many. */
function newServer(fetch: Fetch, requestTimeoutMs: number): Server {
  const server = createAdaptorServer({
    fetch,
    overrideGlobalObjects: false,
    serverOptions: {
      headersTimeout: requestTimeoutMs,
      requestTimeout: requestTimeoutMs,
      connectionsCheckingInterval: Math.min(1000, requestTimeoutMs),
      keepAliveTimeout: 5000,
      maxHeaderSize: 16 * 1024,
    },
  }) as Server
  server.maxConnections = 1024
  // One that does not read its answer; longer than anybody waits for the model, and than a stream is silent.
  server.setTimeout(150_000)
  return server
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  server.listen(port, host)
  try {
    await once(server, 'listening')
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
    const where = `${printable(host)}:${port}`
    const message =
      code === 'EADDRINUSE'
        ? `Something else listens on ${where}.`
        : `${where} cannot be listened on (${code}).`
    throw new EnvironmentError(message, {
      code: 'E_LISTEN',
      next: 'Pass another --port, or 0 for a free one.',
      cause,
    })
  }
}

const graceMs = 2000

/** Requests under way may end; who takes longer, or only keeps a connection, is cut off. */
async function closeServer(server: Server): Promise<void> {
  const timer = setTimeout(() => {
    server.closeAllConnections()
  }, graceMs)
  await new Promise<void>((resolve) => {
    server.close(() => {
      resolve()
    })
    server.closeIdleConnections()
  })
  clearTimeout(timer)
}

function urlOf(server: Server, host: string): string {
  const {port} = server.address() as AddressInfo
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}
