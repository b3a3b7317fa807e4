import {
  CheckpointError,
  ConfigError,
  DataError,
  EnvironmentError,
  GateError,
  NetworkError,
  printable,
  type ErrorDetails,
  type VilbertError,
} from '../errors.js'
import {BridgeLostError, BridgeMessageError, PythonError} from './errors.js'

/** What Node asks of `vilbert.bridge.handle`; `fn` is 'package.module:function'. */
export type Operation =
  | {readonly op: 'call' | 'open'; readonly fn: string; readonly request: unknown}
  | {readonly op: 'next' | 'close'; readonly fn: string; readonly stream: number}
  | {readonly op: 'hello' | 'shutdown'}

/** What Python answered. */
export type Reply =
  | {readonly kind: 'value'; readonly value: unknown}
  | {readonly kind: 'cancelled'}
  | {readonly kind: 'error'; readonly error: VilbertError}

/**
 * Writes a request as JSON text, NaN and Infinity tagged as `{"$float": "nan"}`.
 * @throws {@link BridgeMessageError} if it is not JSON or longer than `maxMessageBytes`.
 */
export function encodeRequest(id: number, operation: Operation, maxMessageBytes: number): string {
  const text = stringify(id, operation)
  const sizeBytes = Buffer.byteLength(text)
  if (sizeBytes > maxMessageBytes) {
    throw new BridgeMessageError(
      `The request for ${nameOf(operation)} has ${sizeBytes} bytes, more than the ${maxMessageBytes} that may cross to Python.`,
      {next: 'Pass large arrays as files.'},
    )
  }
  return text
}

function stringify(id: number, operation: Operation): string {
  try {
    return JSON.stringify({id, ...operation}, tagFloat)
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)
    throw new BridgeMessageError(
      `The request for ${nameOf(operation)} cannot be written as JSON: ${reason}.`,
      {cause: error},
    )
  }
}

/** How messages call an operation. */
export function nameOf(operation: Operation): string {
  return 'fn' in operation ? operation.fn : operation.op
}

/** JSON.stringify would turn these numbers into null without a word. */
function tagFloat(_key: string, value: unknown): unknown {
  if (typeof value !== 'number' || Number.isFinite(value)) return value
  return {$float: Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf'}
}

const TAGGED_FLOATS: ReadonlyMap<unknown, number> = new Map([
  ['nan', NaN],
  ['inf', Infinity],
  ['-inf', -Infinity],
])

/** Reads one JSON value that Python wrote; NaN and Infinity come back out of their tags. */
export function decodeJson(text: string): unknown {
  return text.includes('"$float"') ? JSON.parse(text, untagFloat) : JSON.parse(text)
}

/** Reads the text that `vilbert.bridge.handle` returned. */
export function decodeReply(text: string): Reply {
  const reply = decodeJson(text)
  if (!isRecord(reply)) throw new BridgeMessageError('Python answered with something that is not a reply.')
  if (reply['ok'] === true) return {kind: 'value', value: reply['value']}
  if (reply['cancelled'] === true) return {kind: 'cancelled'}
  return {kind: 'error', error: errorFrom(isRecord(reply['error']) ? reply['error'] : {})}
}

function untagFloat(_key: string, value: unknown): unknown {
  if (!isRecord(value) || !('$float' in value) || Object.keys(value).length !== 1) return value
  return TAGGED_FLOATS.get(value['$float']) ?? value
}

/** The kinds of failures that Python can tell apart, most of them the user's mistakes, and what they are called here. */
const USER_ERRORS: ReadonlyMap<unknown, new (message: string, details?: ErrorDetails) => VilbertError> =
  new Map<string, new (message: string, details?: ErrorDetails) => VilbertError>([
    ['config', ConfigError],
    ['data', DataError],
    ['checkpoint', CheckpointError],
    ['environment', EnvironmentError],
    ['network', NetworkError],
    ['gate', GateError],
    ['lost process', BridgeLostError],
  ])

/** The error that a Python exception is on this side. */
export function errorFrom(raw: Readonly<Record<string, unknown>>): VilbertError {
  const message = textOf(raw['message'])
  const pythonType = textOf(raw['type'])
  const details = {...optional('code', raw['code']), ...optional('next', raw['next'])}
  const pythonError = new PythonError(
    // Python's messages can span lines and be long; the whole text is in the traceback.
    `Python raised ${pythonType}: ${printable(message.trim().replace(/\s*\n\s*/g, ' '), 1000)}`,
    {
      pythonType,
      traceback: textOf(raw['traceback']),
      ownTraceback: textOf(raw['ownTraceback']),
      data: dataOf(raw['data']),
    },
    details,
  )
  const UserError = USER_ERRORS.get(raw['kind'])
  return UserError === undefined ? pythonError : new UserError(message, {...details, cause: pythonError})
}

function optional<Name extends string>(name: Name, value: unknown): Partial<Record<Name, string>> {
  return typeof value === 'string' ? ({[name]: value} as Partial<Record<Name, string>>) : {}
}

function dataOf(raw: unknown): PythonError['data'] {
  const data: Record<string, string | number | boolean | null> = {}
  for (const [name, value] of Object.entries(isRecord(raw) ? raw : {})) {
    if (value === null || ['string', 'number', 'boolean'].includes(typeof value)) {
      data[name] = value as string | number | boolean | null
    }
  }
  return data
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/** Whether a value from the other side is a plain JSON object. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
