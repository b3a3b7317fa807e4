import {existsSync, readFileSync} from 'node:fs'
import {homedir} from 'node:os'
import path from 'node:path'
import {z} from 'zod'
import {EnvironmentError, NetworkError, printable, VilbertError} from '../errors.js'
import {packageRoot} from '../paths.js'
import {inspectPython, unsupported} from '../setup/base-python.mjs'
import {SetupFailure} from '../setup/failure.mjs'
import {installedVenv, isClone, projectVenv} from '../setup/project-venv.mjs'
import {readStamp, requirementsHash, venvPython, type VenvOptions} from '../setup/venv.mjs'

export type FindPythonOptions = {
  /** An interpreter to use instead of the one that `vilbert-ts setup` made (the flag `--python`). */
  readonly python?: string | undefined
}

/**
 * Finds the Python that computes: `python`, else VILBERT_TS_PYTHON, else the environment that
 * `vilbert-ts setup` (or `npm run ready` in a clone) made.
 *
 * @returns the interpreter's path
 * @throws {EnvironmentError} in one sentence, when there is none or it cannot run Paddle
 */
export async function findPython(options: FindPythonOptions = {}): Promise<string> {
  const named = namedPython(options)
  if (named !== undefined) return checkNamed(named)
  const venv = currentVenv()
  const problem = venvProblem(venv)
  const python = venvPython(venv.venvDir)
  if (problem === undefined && (await inspectPython(python)) !== undefined) return python
  const message = problem ?? `The Python environment ${venv.venvDir} is broken: its Python does not run.`
  throw new EnvironmentError(message, {next: setupAdvice()})
}

/** The interpreter that the user names, and by what. */
export function namedPython({python}: FindPythonOptions): {path: string; by: string} | undefined {
  if (python !== undefined) return {path: python, by: '--python'}
  const fromEnv = process.env['VILBERT_TS_PYTHON']
  return fromEnv === undefined || fromEnv === '' ? undefined : {path: fromEnv, by: 'VILBERT_TS_PYTHON'}
}

/**
 * The environment that belongs to this package: `.venv` in a clone, a cache folder named by the version for an
 * installed package.
 */
export function currentVenv(): VenvOptions {
  if (isClone(packageRoot)) return projectVenv(packageRoot)
  const cache = process.env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache')
  return installedVenv(packageRoot, path.join(cache, 'vilbert-ts', `venv-${packageVersion()}`))
}

/** Why an environment cannot be used, as a sentence; nothing when it is finished and holds what is required. */
export function venvProblem(venv: VenvOptions): string | undefined {
  if (!existsSync(venv.venvDir)) return 'There is no Python environment for vilbert-ts yet.'
  const stamp = readStamp(venv.venvDir)
  if (stamp === undefined) return `The Python environment ${venv.venvDir} is not finished.`
  if (stamp.requirementsSha256 === requirementsHash(venv, stamp.gpu)) return undefined
  return `The Python environment ${venv.venvDir} was made for other versions of its packages.`
}

/** What to do about an environment that is missing or unfit. */
export function setupAdvice(): string {
  return isClone(packageRoot)
    ? 'Run `npm run ready` or `vilbert-ts setup`.'
    : 'Run `vilbert-ts setup`, which makes it.'
}

/** Puts a failure of set-up into the program's own error family. */
export function fromSetupFailure(error: unknown): unknown {
  if (!(error instanceof SetupFailure)) return error
  const details = {
    ...(error.next === undefined ? {} : {next: error.next}),
    ...(error.details.length === 0 ? {} : {cause: new Error(error.details.at(-1))}),
  }
  const SetupError: new (message: string, details: object) => VilbertError =
    error.exitCode === 6 ? NetworkError : EnvironmentError
  return new SetupError(error.message, details)
}

/** A named interpreter must be a Python that Paddle supports, with Paddle in it. */
async function checkNamed({path: python, by}: {path: string; by: string}): Promise<string> {
  const facts = await inspectPython(python)
  const shown = printable(python, 200)
  const next = `Name another one, or leave ${by} out and run \`vilbert-ts setup\`.`
  if (facts === undefined)
    throw new EnvironmentError(`${shown} (from ${by}) is not a Python that runs.`, {next})
  const reason = unsupported(facts) ?? (facts.hasPaddle ? undefined : `has no Paddle installed`)
  if (reason !== undefined) throw new EnvironmentError(`${shown} (from ${by}) ${reason}.`, {next})
  return facts.executable
}

function packageVersion(): string {
  const text = readFileSync(path.join(packageRoot, 'package.json'), 'utf8')
  return z.object({version: z.string()}).parse(JSON.parse(text)).version
}
