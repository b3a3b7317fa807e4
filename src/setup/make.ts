import {execa} from 'execa'
import {mkdir, readFile} from 'node:fs/promises'
import path from 'node:path'
import {throwIfInterrupted} from '../breathe.js'
import {writeFileAtomic} from '../files.js'
import {cleanPythonEnv} from './base-python.mjs'
import type {NativeFolders} from './native-folders.js'

const probeTimeoutMs = 20_000

/** How a run of make ended. */
export type MakeResult = {
  readonly failed: boolean
  readonly exitCode: number | undefined
  /** The command, and all that it printed. */
  readonly output: string
}

export type MakeOptions = {
  readonly folders: NativeFolders
  /** Variables of the Makefile; BUILD is added. */
  readonly values: Readonly<Record<string, string>>
  readonly jobs?: number
  /** Told when there is something to do. */
  readonly onStart?: (() => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Runs make for sources of this package, or for a copy of those where the package may not be written to. Absolute
 * paths may hold blanks, which make cannot take in the name of a target: BUILD is relative.
 */
export async function runMake({
  folders,
  values,
  jobs = 1,
  onStart,
  signal,
}: MakeOptions): Promise<MakeResult> {
  const all = {...values, BUILD: path.relative(folders.make, folders.build)}
  // A dollar sign would begin a variable of make.
  const assignments = Object.entries(all).map(([name, value]) => `${name}=${value.replaceAll('$', '$$$$')}`)
  const running = execa('make', ['--no-print-directory', `--jobs=${jobs}`, ...assignments], {
    cwd: folders.make,
    env: environment(Object.keys(all)),
    extendEnv: false,
    stdin: 'ignore',
    all: true,
    reject: false,
    ...(signal === undefined ? {} : {cancelSignal: signal}),
  })
  if (onStart !== undefined) running.stdout.once('data', onStart) // it prints each command that it runs
  const result = await running
  throwIfInterrupted(signal)
  const {failed, exitCode, escapedCommand} = result
  return {failed, exitCode, output: `$ cd ${folders.make}\n$ ${escapedCommand}\n${result.all}\n`}
}

/** Copies sources to where make runs. Equal files are left alone, because make goes by their times. */
export async function copySources({sources, make}: NativeFolders, names: readonly string[]): Promise<void> {
  if (make === sources) return
  await mkdir(make, {recursive: true})
  for (const name of names) {
    const content = await readFile(path.join(sources, name))
    const copy = path.join(make, name)
    const present = await readFile(copy).catch(() => undefined)
    if (present?.equals(content) !== true) await writeFileAtomic(copy, content)
  }
}

/** The line that says why: a compiler names the error first, and make ends with a line that says little. */
export function tellingLine(output: string): string {
  const lines = output.split('\n').filter((line) => line.trim() !== '')
  return lines.find((line) => /\berror\b/i.test(line)) ?? lines.at(-1) ?? 'it printed nothing'
}

/** Whether a program, perhaps with options, can be run. */
export async function programRuns(command: string, signal?: AbortSignal): Promise<boolean> {
  const [program = '', ...args] = command.trim().split(/\s+/)
  const {failed} = await execa(program, [...args, '--version'], {
    reject: false,
    stdin: 'ignore',
    timeout: probeTimeoutMs,
    ...(signal === undefined ? {} : {cancelSignal: signal}),
  })
  throwIfInterrupted(signal)
  return !failed
}

/** What another make around us sets must not reach ours; messages are wanted in the language of this program. */
function environment(variables: readonly string[]): NodeJS.ProcessEnv {
  const foreign = new Set(['MAKEFLAGS', 'MAKELEVEL', 'MFLAGS', 'MAKEFILES', ...variables])
  const env = Object.entries(cleanPythonEnv(process.env)).filter(([name]) => !foreign.has(name))
  return {...Object.fromEntries(env), LC_ALL: 'C'}
}
