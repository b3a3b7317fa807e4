import {execa} from 'execa'
import {join} from 'node:path'
import {packageRoot} from '../../src/paths.js'

/** What a finished program left behind. */
export type CliResult = {
  readonly stdout: string
  readonly stderr: string
  readonly exitCode: number | undefined
  readonly signal: string | undefined
}

export type CliOptions = {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** @default 60000 */
  readonly timeoutMs?: number
}

/** The built command line, as an installed package would run it. */
export const cliFile = join(packageRoot, 'dist', 'src', 'cli.js')

/** Runs the built CLI as a user's shell would, in a process of its own, and collects everything it says. */
export async function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  return finished(startCli(args, options))
}

/** Starts the built CLI and leaves it running, for tests that send it signals or close its pipes. */
export function startCli(args: readonly string[], options: CliOptions = {}) {
  return startProgram(cliFile, args, options)
}

/** Starts a compiled program of the tests; ava's NODE_ENV is taken away, because no user has it. */
export function startProgram(file: string, args: readonly string[], options: CliOptions = {}) {
  return execa(process.execPath, [file, ...args], {
    cwd: options.cwd ?? packageRoot,
    env: {NODE_ENV: '', ...options.env},
    timeout: options.timeoutMs ?? 60_000,
    reject: false,
    stripFinalNewline: false,
  })
}

/** Waits for a started program. */
export async function finished(program: ReturnType<typeof startProgram>): Promise<CliResult> {
  const {stdout, stderr, exitCode, signal} = await program
  return {stdout, stderr, exitCode, signal}
}

/** The one JSON document that stdout must be; throws if it is not exactly one. */
export function jsonOf({stdout}: CliResult): unknown {
  return JSON.parse(stdout)
}
