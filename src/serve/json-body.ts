import type {ZodError, ZodType} from 'zod'
import {HttpProblem} from './problem.js'

/** The longest phrase in the longest spelling takes a few kilobytes. */
export const maxBodyBytes = 16 * 1024

/**
 * Reads the JSON of a request, never more of it than a request can need.
 * @throws HttpProblem 415 for another type, 413 where it is too long, 400 where it is no JSON, 422 where it does not fit
 */
export async function readJsonBody<T>(request: Request, schema: ZodType<T>): Promise<T> {
  const type = request.headers.get('content-type') ?? ''
  if (!/^application\/json\s*(;|$)/i.test(type)) {
    throw new HttpProblem(415, 'E_MEDIA_TYPE', 'The body must be application/json.')
  }
  const parsed = schema.safeParse(parse(await readText(request)))
  if (parsed.success) return parsed.data
  throw doesNotFit(parsed.error)
}

/** Everything that is wrong with a request of the right kind. */
export function doesNotFit({issues}: ZodError): HttpProblem {
  const problems = issues.map(({path, message}) =>
    path.length === 0 ? message : `${path.join('.')}: ${message}`,
  )
  return new HttpProblem(
    422,
    'E_REQUEST',
    `The request does not fit: ${problems.join('; ').slice(0, 500)}.`,
    {
      next: 'GET /api/v1/openapi.json says what it takes.',
    },
  )
}

async function readText(request: Request): Promise<string> {
  if (Number(request.headers.get('content-length') ?? 0) > maxBodyBytes) throw tooLarge()
  const bytes = await readBytes(request.body)
  try {
    return new TextDecoder('utf-8', {fatal: true}).decode(bytes)
  } catch {
    throw new HttpProblem(400, 'E_JSON', 'The body is not UTF-8.')
  }
}

async function readBytes(body: AsyncIterable<Uint8Array> | null): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  let sizeBytes = 0
  try {
    if (body === null) return new Uint8Array()
    for await (const piece of body) {
      sizeBytes += piece.byteLength
      if (sizeBytes > maxBodyBytes) throw tooLarge()
      pieces.push(piece)
    }
  } catch (error) {
    if (error instanceof HttpProblem) throw error
    throw new HttpProblem(400, 'E_BODY', 'The body ended before it was whole.')
  }
  return Buffer.concat(pieces)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new HttpProblem(400, 'E_JSON', 'The body is not JSON.')
  }
}

/**
 * Says nothing of closing the connection: the server would reset it at once, and a client that still writes would
 * see the reset instead of this answer. Left open, the adaptor ends it half a second after the answer.
 */
function tooLarge(): HttpProblem {
  return new HttpProblem(413, 'E_LARGE_BODY', `The body is larger than ${maxBodyBytes} bytes.`)
}
