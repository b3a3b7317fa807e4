import type {IncomingMessage} from 'node:http'
import {throwIfInterrupted} from '../../breathe.js'
import {AttemptFailed, interrupted, refused} from './failure.js'
import {explain, openResponse} from './http-request.js'
import {throwRefusal} from './http-status.js'
import {findImpostor} from './impostors.js'
import {urlSha256, type PartState} from './part-file.js'
import {wrongSize} from './size.js'
import type {Transfer, Transferred} from './transport.js'

/** Where the body of a response begins in the file, and how long the file is. */
type BodyPlan = {readonly totalBytes: number | undefined; readonly isContinued: boolean}

/** Fetches a file by http or https; continues an unfinished one with Range and If-Range. */
export async function httpTransport(transfer: Transfer): Promise<Transferred> {
  const {url, part, timeoutMs, allowPrivate, signal} = transfer
  const resumed = resumeHeaders(transfer)
  const {response} = await openResponse(url, {
    headers: {accept: '*/*', 'accept-encoding': 'identity', 'user-agent': 'vilbert-ts', ...resumed},
    timeoutMs,
    allowPrivate,
    signal,
  })
  try {
    if (response.statusCode === 416 && resumed !== undefined) {
      await part.reset()
      throw interrupted(url, 'it cannot continue where we stopped', {code: 'E_DL_RANGE'})
    }
    const status = response.statusCode ?? 0
    if (status !== 200 && !(status === 206 && resumed !== undefined)) await throwRefusal(url, response)
    refuseEncoded(url, response)
    const plan = status === 206 ? await planContinuation(transfer, response) : planWhole(transfer, response)
    await receive(transfer, response, plan)
  } catch (error) {
    throwIfInterrupted(signal)
    throw error instanceof AttemptFailed || !isConnectionError(error) ? error : explain(url, error, timeoutMs)
  } finally {
    response.destroy()
  }
  return {}
}

/** What to ask for to continue; nothing when there are no bytes, or none whose version can be told. */
function resumeHeaders({part, url, isVerifiable}: Transfer): Record<string, string> | undefined {
  const {state, doneBytes} = part
  if (doneBytes === 0 || state?.urlSha256 !== urlSha256(url)) return undefined
  const validator = state.etag ?? state.lastModified
  if (validator === undefined && !isVerifiable) return undefined
  return {range: `bytes=${doneBytes}-`, ...(validator === undefined ? {} : {'if-range': validator})}
}

/** We asked for plain bytes; packed ones have another length and hash, and could unpack without end. */
function refuseEncoded(url: URL, response: IncomingMessage): void {
  const encoding = response.headers['content-encoding']?.trim().toLowerCase() ?? ''
  if (encoding === '' || encoding === 'identity') return
  throw refused(url, 'it packs what was asked for unpacked (Content-Encoding)', {code: 'E_DL_ENCODING'})
}

/** The server starts again from the first byte, whatever was asked for. */
function planWhole({url, sizeBytes, isVerifiable}: Transfer, response: IncomingMessage): BodyPlan {
  const totalBytes = contentLength(response)
  const isChunked = response.headers['transfer-encoding'] !== undefined
  if (totalBytes === undefined && !isChunked && sizeBytes === undefined && !isVerifiable) {
    throw refused(url, 'it does not say how long the file is, so that nobody can tell whether it is whole', {
      code: 'E_DL_LENGTH',
      next: 'Give sizeBytes or sha256 in a file of --sources, or pass --from with the file.',
    })
  }
  return {totalBytes, isContinued: false}
}

/** The bytes must be the missing ones, and of the same version; else what is there is worth nothing. */
async function planContinuation({url, part}: Transfer, response: IncomingMessage): Promise<BodyPlan> {
  const range = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(response.headers['content-range'] ?? '')
  const [first, last, total] = range?.slice(1).map(Number) ?? []
  const {etag, totalBytes} = part.state ?? {}
  const fits = first === part.doneBytes && total !== undefined && last === total - 1
  const isSame = etag === undefined || response.headers.etag === undefined || response.headers.etag === etag
  if (fits && isSame && (totalBytes === undefined || totalBytes === total)) {
    return {totalBytes: total, isContinued: true}
  }
  await part.reset()
  const what = isSame ? 'it sent another part than the one asked for' : 'the file has changed meanwhile'
  throw interrupted(url, what, {code: isSame ? 'E_DL_RANGE' : 'E_DL_CHANGED'})
}

/** Lets the body into the part, as far as it looks like the file. */
async function receive(transfer: Transfer, response: IncomingMessage, plan: BodyPlan): Promise<void> {
  const {part, url, sizeBytes, signal} = transfer
  const {totalBytes, isContinued} = plan
  const limit = totalBytes ?? sizeBytes
  let isFirst = true
  for await (const chunk of response as AsyncIterable<Buffer>) {
    throwIfInterrupted(signal)
    if (isFirst) await admit(transfer, response, plan, chunk)
    isFirst = false
    if (limit !== undefined && part.doneBytes + chunk.length > limit) throw wrongSize(url, 'more', limit)
    await part.append(chunk)
    transfer.onBytes(part.doneBytes, limit)
  }
  if (isFirst && !isContinued) throw interrupted(url, 'it sent nothing', {code: 'E_DL_EMPTY'})
  if (!response.complete || (totalBytes !== undefined && part.doneBytes < totalBytes)) {
    throw interrupted(url, `it stopped after ${part.doneBytes} bytes`, {code: 'E_DL_CUT'})
  }
}

/** Decides with the first bytes whether this is the file; only then is anything written. */
async function admit(
  transfer: Transfer,
  response: IncomingMessage,
  {totalBytes, isContinued}: BodyPlan,
  chunk: Buffer,
): Promise<void> {
  const {part, url, sizeBytes, onSize} = transfer
  const impostor = isContinued ? undefined : findImpostor(chunk)
  if (impostor !== undefined) throw refused(url, impostor.what, impostor)
  if (response.headers['content-type']?.startsWith('text/html') === true && !isContinued) {
    throw refused(url, 'it sent a web page', {code: 'E_DL_HTML'})
  }
  if (totalBytes !== undefined && sizeBytes !== undefined && totalBytes !== sizeBytes) {
    throw wrongSize(url, totalBytes, sizeBytes)
  }
  if (totalBytes !== undefined) await onSize(totalBytes)
  if (isContinued) part.continue()
  else await part.begin(stateOf(url, response, totalBytes))
}

/** Weak ETags do not promise the same bytes, so they do not count. */
function stateOf(url: URL, {headers}: IncomingMessage, totalBytes: number | undefined): PartState {
  const {etag, 'last-modified': lastModified} = headers
  return {
    urlSha256: urlSha256(url),
    ...(etag?.startsWith('"') === true ? {etag} : {}),
    ...(lastModified === undefined ? {} : {lastModified}),
    ...(totalBytes === undefined ? {} : {totalBytes}),
  }
}

function contentLength({headers}: IncomingMessage): number | undefined {
  const text = headers['content-length']
  if (text === undefined || !/^\d{1,15}$/.test(text)) return undefined
  return Number(text)
}

/** Errors of the socket and of Node's HTTP parser; those of the file system are ours. */
function isConnectionError(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const code = 'code' in error ? String(error.code) : ''
  if (error.name === 'SilenceError' || error.message === 'aborted') return true
  return /^(?:E(?:CONN|PIPE|HOST|NET|TIMEDOUT|PROTO)|HPE_|ERR_)/.test(code)
}
