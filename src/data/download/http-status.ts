import type {IncomingMessage} from 'node:http'
import {findImpostor, headBytes} from './impostors.js'
import {interrupted, refused} from './failure.js'

const retryableStatuses: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504])

const meanings: ReadonlyMap<number, string> = new Map([
  [401, 'it wants to know who asks'],
  [403, 'it does not give this file to us'],
  [407, 'its proxy wants a user and a password'],
  [404, 'there is no such file'],
  [410, 'the file is gone'],
  [416, 'it does not have that part of the file'],
  [429, 'it gets too many requests'],
])

/**
 * Turns a status that brings no file into an error in words, with what the body says about the reason.
 * @throws AttemptFailed always
 */
export async function throwRefusal(url: URL, response: IncomingMessage): Promise<never> {
  const status = response.statusCode ?? 0
  const impostor = findImpostor(await headOf(response))
  const meaning =
    meanings.get(status) ?? (status >= 500 ? 'the server is in trouble' : 'it does not send a file')
  const what = `${meaning} (status ${status}${impostor === undefined ? '' : `; ${impostor.what}`})`
  const code = `E_DL_${status}`
  if (retryableStatuses.has(status)) {
    throw interrupted(url, what, {code, retryAfterMs: retryAfterMs(response.headers['retry-after'])})
  }
  throw refused(url, what, {code, ...(impostor?.next === undefined ? {} : {next: impostor.next})})
}

/** The first bytes of a body that is not worth more; a body that breaks off has told enough. */
async function headOf(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      chunks.push(chunk)
      length += chunk.length
      if (length >= headBytes) break
    }
  } catch {
    return Buffer.concat(chunks)
  }
  return Buffer.concat(chunks)
}

/** `Retry-After` gives seconds or a date. */
function retryAfterMs(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^\d{1,6}$/.test(text.trim())) return Number(text) * 1000
  const date = Date.parse(text)
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now())
}
