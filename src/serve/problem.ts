import {printable} from '../errors.js'
import {
  BridgeClosedError,
  BridgeCrashError,
  BridgeSpawnError,
  BridgeTimeoutError,
  PythonError,
} from '../bridge/errors.js'
import {VilbertError} from '../errors.js'

/** What an answer that is no success says: `{error: {code, message, next}}`. */
export type ProblemBody = {
  readonly error: {readonly code: string; readonly message: string; readonly next?: string}
}

/** A request that is refused, with the status and the words in which it is. */
export class HttpProblem extends Error {
  readonly status: number
  readonly code: string
  readonly next: string | undefined
  readonly headers: Readonly<Record<string, string>>

  constructor(
    status: number,
    code: string,
    message: string,
    more: {readonly next?: string; readonly headers?: Readonly<Record<string, string>>} = {},
  ) {
    super(message)
    this.status = status
    this.code = code
    this.next = more.next
    this.headers = more.headers ?? {}
  }
}

/** Told to come back: nothing is wrong with the request. */
export function comeBackLater(code: string, message: string, afterSeconds: number): HttpProblem {
  return new HttpProblem(503, code, message, {
    next: `Try again in ${afterSeconds} s.`,
    headers: {'retry-after': String(afterSeconds)},
  })
}

/** Puts whatever was thrown into the form in which it is answered. */
export function toProblem(error: unknown): HttpProblem {
  if (error instanceof HttpProblem) return error
  if (error instanceof BridgeCrashError)
    return comeBackLater('E_MODEL_CRASHED', 'The model process ended; a new one is started.', 1)
  if (error instanceof BridgeTimeoutError)
    return comeBackLater('E_MODEL_TIMEOUT', 'The model took too long to answer.', 5)
  if (error instanceof BridgeSpawnError)
    return comeBackLater('E_MODEL_DOWN', `The model process does not start: ${error.message}`, 10)
  if (error instanceof BridgeClosedError)
    return comeBackLater('E_CLOSING', 'The server is shutting down.', 10)
  // What Python left of a mistake of ours belongs into the server's log, not to a client.
  if (error instanceof VilbertError && !(error instanceof PythonError)) {
    const {code, message, next} = error
    return new HttpProblem(422, code, printable(message, 1000), next === undefined ? {} : {next})
  }
  return new HttpProblem(500, 'E_UNEXPECTED', 'Something failed that should not.', {
    next: "The server's log says what.",
  })
}

/** The answer to a refused request. */
export function problemResponse(problem: HttpProblem): Response {
  const {code, message, next} = problem
  const body: ProblemBody = {error: next === undefined ? {code, message} : {code, message, next}}
  return Response.json(body, {status: problem.status, headers: problem.headers})
}
