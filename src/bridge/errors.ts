import {printable, VilbertError, type ErrorDetails} from '../errors.js'

/** Python or the way to it failed, not the work that was asked for. */
export class BridgeError extends VilbertError {
  readonly exitCode: number = 7

  constructor(message: string, defaultCode = 'E_BRIDGE', details?: ErrorDetails) {
    super(message, defaultCode, details)
  }
}

/** Python did not start: missing, not executable, not a Python, hung or ended before it could be used. */
export class BridgeSpawnError extends BridgeError {
  /** The last text that Python wrote to stderr, at most 64 KiB. */
  readonly stderrTail: string

  constructor(message: string, details: ErrorDetails & {readonly stderrTail?: string} = {}) {
    super(message, 'E_BRIDGE_SPAWN', {
      next: 'Run `vilbert-ts doctor` to see what is wrong with the Python environment.',
      ...details,
    })
    this.stderrTail = details.stderrTail ?? ''
  }
}

/** How a Python process ended. */
export type PythonEnd = {
  readonly pythonExitCode: number | null
  readonly pythonSignal: NodeJS.Signals | null
  /** The last text that Python wrote to stderr, at most 64 KiB. */
  readonly stderrTail: string
}

/** Python ended while a call was running in it; the next call starts a new Python. */
export class BridgeCrashError extends BridgeError implements PythonEnd {
  readonly pythonExitCode: number | null
  readonly pythonSignal: NodeJS.Signals | null
  readonly stderrTail: string

  /** @param during - what ran, as far as that is known. */
  constructor(end: PythonEnd, during?: string) {
    super(crashMessage(end, during), 'E_BRIDGE_CRASH', {next: nextAfterCrash(end)})
    this.pythonExitCode = end.pythonExitCode
    this.pythonSignal = end.pythonSignal
    this.stderrTail = end.stderrTail
  }
}

function crashMessage({pythonExitCode, pythonSignal, stderrTail}: PythonEnd, during?: string): string {
  const how = pythonSignal === null ? `exit code ${pythonExitCode ?? 'unknown'}` : `signal ${pythonSignal}`
  const last = lastWords(stderrTail)
  const where = during === undefined ? '' : ` during ${during}`
  return `Python ended${where} (${how})${last === '' ? '' : `: ${last}`}`
}

/** The line that says most: faulthandler's headline if there is one, else the last. */
function lastWords(stderrTail: string): string {
  const fatal = /^Fatal Python error: .*$/m.exec(stderrTail)?.[0]
  return printable(fatal ?? stderrTail.trim().split('\n').at(-1) ?? '', 300)
}

/** SIGKILL that nobody here sent is nearly always the kernel, out of memory. */
function nextAfterCrash({pythonSignal}: PythonEnd): string {
  return pythonSignal === 'SIGKILL'
    ? 'Something killed it, most often the system out of memory: try a smaller batch size, or train with --recompute.'
    : "Run it again with --verbose to see Python's output."
}

/** A process lost another one of the run: that one's end is the reason, and its own node tells it. */
export class BridgeLostError extends BridgeError {
  constructor(message: string, details?: ErrorDetails) {
    super(message, 'E_BRIDGE_LOST', details)
  }
}

/** A call or one step of a stream took longer than its `timeoutMs`. */
export class BridgeTimeoutError extends BridgeError {
  readonly timeoutMs: number
  /** Where Python stood when the time was up, one line a frame, innermost first; empty if it never got the call. */
  readonly pythonStack: string
  /** Whether Python had to be killed because it did not stop when asked to. */
  readonly forced: boolean

  constructor(
    message: string,
    fields: {readonly timeoutMs: number; readonly pythonStack?: string; readonly forced?: boolean},
    details: ErrorDetails = {},
  ) {
    super(message, 'E_BRIDGE_TIMEOUT', details)
    this.timeoutMs = fields.timeoutMs
    this.pythonStack = fields.pythonStack ?? ''
    this.forced = fields.forced ?? false
  }
}

/** The caller's AbortSignal ended the call; `cause` is the signal's reason. */
export class BridgeCancelledError extends BridgeError {
  override readonly exitCode: number = 130
  /** Whether Python had to be killed because it did not stop when asked to. */
  readonly forced: boolean

  constructor(message: string, fields: {readonly forced?: boolean} = {}, details: ErrorDetails = {}) {
    super(message, 'E_BRIDGE_CANCELLED', details)
    this.forced = fields.forced ?? false
  }
}

/** The bridge was closed before or during the call. */
export class BridgeClosedError extends BridgeError {
  constructor(message = 'The bridge to Python is closed.') {
    super(message, 'E_BRIDGE_CLOSED')
  }
}

/** A message does not cross: too long, not JSON, or a reply that does not have the form the caller expects. */
export class BridgeMessageError extends BridgeError {
  constructor(message: string, details?: ErrorDetails) {
    super(message, 'E_BRIDGE_MESSAGE', details)
  }
}

/** What a Python exception brings along. */
export type PythonErrorFields = {
  /** Name of the exception class, such as `ValueError`. */
  readonly pythonType: string
  /** The whole traceback, as Python prints it. */
  readonly traceback: string
  /** The traceback with only the frames of our own Python sources. */
  readonly ownTraceback: string
  /** The exception's attributes that are plain values. */
  readonly data: Readonly<Record<string, string | number | boolean | null>>
}

/** Python code raised an exception that is not one of the user's mistakes; Python lives on. */
export class PythonError extends VilbertError implements PythonErrorFields {
  readonly exitCode = 1
  readonly pythonType: string
  readonly traceback: string
  readonly ownTraceback: string
  readonly data: PythonErrorFields['data']

  constructor(message: string, fields: PythonErrorFields, details?: ErrorDetails) {
    super(message, 'E_PYTHON', details)
    this.pythonType = fields.pythonType
    this.traceback = fields.traceback
    this.ownTraceback = fields.ownTraceback
    this.data = fields.data
  }
}
