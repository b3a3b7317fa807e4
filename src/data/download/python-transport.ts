import {z} from 'zod'
import type {Bridge} from '../../bridge/bridge.js'
import {throwIfInterrupted} from '../../breathe.js'
import {printable} from '../../errors.js'
import {interrupted, refused} from './failure.js'
import {urlSha256} from './part-file.js'
import {wrongSize} from './size.js'
import type {Transfer, Transferred, Transport} from './transport.js'

const eventSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('opened'),
    totalBytes: z.number().int().nonnegative().nullable(),
    etag: z.string().nullable(),
    isContinued: z.boolean(),
  }),
  z.object({
    type: z.literal('progress'),
    doneBytes: z.number().int(),
    totalBytes: z.number().int().nullable(),
  }),
])
const resultSchema = z.discriminatedUnion('status', [
  z.object({status: z.literal('complete'), md5: z.string().nullable()}),
  z.object({
    status: z.literal('failed'),
    code: z.string(),
    message: z.string(),
    next: z.string().nullable(),
    isRetryable: z.boolean(),
    /** Whether the bytes that are there are of another version. */
    isChanged: z.boolean(),
  }),
])

type PythonEvent = z.output<typeof eventSchema>
type PythonResult = z.output<typeof resultSchema>

/**
 * Lets a Python generator write into the part; Python is started by the first such transfer only.
 * @param openBridge - gives the one bridge of all transfers
 * @param fn - 'package.module:function', as {@link Bridge.stream} takes it
 */
export function pythonTransport(openBridge: () => Promise<Bridge>, fn: string): Transport {
  return async (transfer) => {
    const {url, part, timeoutMs, signal, isVerifiable} = transfer
    const {state, doneBytes} = part
    const isKnown = state?.urlSha256 === urlSha256(url) && (state.etag !== undefined || isVerifiable)
    const bridge = await openBridge()
    const request = {
      url: url.href,
      path: part.path,
      doneBytes: isKnown ? doneBytes : 0,
      etag: isKnown ? (state.etag ?? null) : null,
      isVerifiable,
      timeoutMs,
    }
    const work = bridge.stream<PythonEvent, PythonResult>(fn, request, {
      event: eventSchema,
      result: resultSchema,
      signal,
    })
    for (;;) {
      const step = await work.next()
      if (step.done === true) return finish(transfer, step.value)
      throwIfInterrupted(signal)
      await note(transfer, step.value)
    }
  }
}

/** Python waits while an event is looked at, so that the part is made ready before its first byte. */
async function note(transfer: Transfer, event: PythonEvent): Promise<void> {
  const {url, part, sizeBytes, onBytes, onSize} = transfer
  const totalBytes = event.totalBytes ?? undefined
  if (event.type === 'progress') {
    onBytes(event.doneBytes, totalBytes)
    return
  }
  if (totalBytes !== undefined && sizeBytes !== undefined && totalBytes !== sizeBytes) {
    throw wrongSize(url, totalBytes, sizeBytes)
  }
  if (totalBytes !== undefined) await onSize(totalBytes)
  if (event.isContinued) {
    part.continue()
    return
  }
  await part.begin({
    urlSha256: urlSha256(url),
    ...(event.etag === null ? {} : {etag: event.etag}),
    ...(totalBytes === undefined ? {} : {totalBytes}),
  })
}

async function finish({url, part}: Transfer, result: PythonResult): Promise<Transferred> {
  await part.measure()
  if (result.status === 'complete') return {md5: result.md5 ?? undefined}
  if (result.isChanged) await part.reset()
  const details = {code: result.code, ...(result.next === null ? {} : {next: result.next})}
  const what = printable(result.message, 300)
  throw result.isRetryable ? interrupted(url, what, details) : refused(url, what, details)
}
