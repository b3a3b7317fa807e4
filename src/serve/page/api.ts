/** Why a request has no answer, in words for the reader. */
export class Refused extends Error {
  /** 0 where there was no answer at all. */
  readonly status: number
  readonly retryAfterSeconds: number | undefined

  constructor(message: string, status: number, retryAfterSeconds?: number) {
    super(message)
    this.status = status
    this.retryAfterSeconds = retryAfterSeconds
  }
}

/** One server-sent event. */
export type ServerEvent = {readonly type: string; readonly data: unknown}

type Sent = {
  readonly method?: string
  readonly body?: string
  readonly headers: Readonly<Record<string, string>>
}

const tokenKey = 'vilbert-ts-token'

/** The API as this page uses it, with the token of this tab where the server wants one. */
export class Api {
  get token(): string | null {
    return sessionStorage.getItem(tokenKey)
  }

  set token(token: string | null) {
    if (token === null) sessionStorage.removeItem(tokenKey)
    else sessionStorage.setItem(tokenKey, token)
  }

  /** @throws Refused; an abort stays an AbortError */
  async get<T>(path: string, signal?: AbortSignal): Promise<T> {
    const response = await this.#fetch(path, {headers: {accept: 'application/json'}}, signal)
    return (await response.json()) as T
  }

  /** @throws Refused; an abort stays an AbortError */
  async post<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> {
    const headers = {'content-type': 'application/json'}
    const response = await this.#fetch(path, {method: 'POST', headers, body: JSON.stringify(body)}, signal)
    return (await response.json()) as T
  }

  /** An address that an `img` can load: pictures cannot send a token, so then the bytes are fetched. */
  async pictureUrl(id: number): Promise<string> {
    if (this.token === null) return `/api/v1/images/${id}`
    const response = await this.#fetch(`/images/${id}`, {headers: {accept: 'image/*'}})
    return URL.createObjectURL(await response.blob())
  }

  /** Server-sent events until the server ends them. EventSource cannot send a token. */
  async *follow(path: string, signal: AbortSignal): AsyncGenerator<ServerEvent, void, void> {
    const {body} = await this.#fetch(path, {headers: {accept: 'text/event-stream'}}, signal)
    if (body === null) return
    const reader = body.pipeThrough(new TextDecoderStream()).getReader()
    let text = ''
    for (;;) {
      const {done, value} = await reader.read()
      if (done) return
      const events = (text + value).split('\n\n')
      text = events.pop() ?? ''
      for (const event of events) yield parse(event)
    }
  }

  async #fetch(path: string, init: Sent, signal?: AbortSignal): Promise<Response> {
    const authorization = this.token === null ? {} : {authorization: `Bearer ${this.token}`}
    const headers = {...init.headers, ...authorization}
    let response: Response
    try {
      response = await fetch(`/api/v1${path}`, {...init, headers, ...(signal === undefined ? {} : {signal})})
    } catch (error) {
      if (signal?.aborted === true) throw error
      throw new Refused('The server cannot be reached. Is vilbert-ts serve still running?', 0)
    }
    if (response.ok) return response
    throw await refusalOf(response)
  }
}

async function refusalOf(response: Response): Promise<Refused> {
  const retryAfter = Number(response.headers.get('retry-after') ?? NaN)
  const body = (await response.json().catch(() => undefined)) as
    {error?: {message?: string; next?: string}} | undefined
  const {message = `The server refused with status ${response.status}.`, next} = body?.error ?? {}
  const words = next === undefined ? message : `${message} ${next}`
  return new Refused(words, response.status, Number.isFinite(retryAfter) ? retryAfter : undefined)
}

function parse(event: string): ServerEvent {
  const fields = new Map(
    event.split('\n').map((line): [string, string] => {
      const colon = line.indexOf(': ')
      return [line.slice(0, colon), line.slice(colon + 2)]
    }),
  )
  return {type: fields.get('event') ?? 'message', data: JSON.parse(fields.get('data') ?? 'null')}
}
