import {CLIError} from '@oclif/core/errors'
import {printable, VilbertError} from '../errors.js'

/** Everything a user or a program may want to know about a failure; the `--json` form is `{error: …}` of it. */
export type ErrorReport = {
  /** Stable reason such as `E_CONFIG`; `E_USAGE` for a wrong command line, `E_UNEXPECTED` for our own mistakes. */
  readonly code: string
  /** One sentence: what is wrong and where. */
  readonly message: string
  readonly next: string | undefined
  readonly exitCode: number
  /** Single problems, where one failure has several (a configuration file). */
  readonly problems?: readonly unknown[]
}

/** Puts any thrown value into the one form in which failures are shown. */
export function reportError(error: unknown): ErrorReport {
  if (error instanceof VilbertError) {
    const {code, message, next, exitCode} = error
    const problems = 'problems' in error && Array.isArray(error.problems) ? {problems: error.problems} : {}
    return {code, message, next, exitCode, ...problems}
  }
  if (error instanceof CLIError) {
    const next = error.suggestions?.join(' ')
    return {code: 'E_USAGE', message: usageSentence(error.message), next, exitCode: error.oclif.exit ?? 2}
  }
  const message = `Something failed that should not: ${errorMessage(error)}`
  return {
    code: 'E_UNEXPECTED',
    message,
    next: 'Run it again with --verbose and report what it prints.',
    exitCode: 1,
  }
}

/** Writes a failure for people: a sentence, its causes, the next step; with `verbose` stacks and tracebacks too. */
export function errorText(error: unknown, options: {readonly verbose: boolean}): string {
  const report = reportError(error)
  const causes = causesOf(error)
  const lines = [`Error: ${report.message}`]
  for (const cause of causes.filter((each) => addsTo(report.message, each)))
    lines.push(`Cause: ${errorMessage(cause)}`)
  if (report.next !== undefined) lines.push(`Next: ${report.next}`)
  if (options.verbose) {
    lines.push(`Code: ${report.code} (exit code ${report.exitCode})`)
    for (const each of [error, ...causes]) lines.push(...traces(each))
  } else lines.push(...whatPythonLeft(error))
  return `${lines.join('\n')}\n`
}

const USAGE_NOISE = /^(The following errors? occurred:|See more help with --help|Parsing --\S+)$/

/** oclif lists mistakes over several lines and repeats how to get help; a sentence is enough. */
function usageSentence(message: string): string {
  const lines = message
    .split('\n')
    .map((line) => line.trim().replace(/\s+/g, ' '))
    .filter((line) => line.length > 0 && !USAGE_NOISE.test(line))
  return lines.join('; ').replaceAll(':;', ':')
}

/** The chain of causes, cut where it bites its own tail. */
function causesOf(error: unknown): unknown[] {
  const chain: unknown[] = []
  let current = error
  while (current instanceof Error && current.cause !== undefined && !chain.includes(current.cause)) {
    current = current.cause
    chain.push(current)
  }
  return chain
}

/** A user error that Python raised has the same sentence as its cause: once is enough. */
function addsTo(message: string, cause: unknown): boolean {
  return !(cause instanceof Error && cause.message.endsWith(message))
}

/** A cause's message may come from outside and span lines; here it has one line. */
function errorMessage(error: unknown): string {
  const text = error instanceof Error ? error.message || error.name : String(error)
  return printable(text.trim().replace(/\s*\n\s*/g, ' '), 500)
}

/** The stack of a JavaScript error and, where the error came from Python, the traceback from over there. */
function traces(error: unknown): string[] {
  const lines: string[] = []
  if (error instanceof Error && error.stack !== undefined) lines.push('', error.stack)
  return [
    ...lines,
    ...section('Python traceback', textIn(error, 'traceback')),
    ...processTraces(error, Infinity),
  ]
}

/** Of a mistake in Python (not in the user's files) the part in our own code; of a lost Python its last words. */
function whatPythonLeft(error: unknown): string[] {
  return [
    ...section('Python traceback (all of it with --verbose)', textIn(error, 'ownTraceback')),
    ...processTraces(error, LAST_LINES),
  ]
}

const LAST_LINES = 8

/** What a Python that ended or hung has left. */
function processTraces(error: unknown, maxLines: number): string[] {
  const lastLines = textIn(error, 'stderrTail').trimEnd().split('\n').slice(-maxLines).join('\n')
  return [
    ...section('Last lines of Python', lastLines),
    ...section('Where Python stood', textIn(error, 'pythonStack')),
  ]
}

/** Python's text may hold anything; what would steer the terminal is escaped. */
function section(title: string, text: string): string[] {
  const lines = text.trimEnd().split('\n')
  return text.trim() === '' ? [] : [`----- ${title} -----`, ...lines.map((line) => printable(line, 1000))]
}

function textIn(error: unknown, key: string): string {
  const value: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, key) : undefined
  return typeof value === 'string' ? value : ''
}
