import {execa} from 'execa'
import {existsSync} from 'node:fs'
import {mkdir, stat, writeFile} from 'node:fs/promises'
import path from 'node:path'
import {z} from 'zod'
import {throwIfInterrupted} from '../breathe.js'
import {EnvironmentError, printable} from '../errors.js'
import {writeFileAtomic} from '../files.js'
import {pythonRoot} from '../paths.js'
import {cleanPythonEnv} from '../setup/base-python.mjs'
import {withLock} from '../setup/lock.mjs'
import {copySources, runMake, tellingLine} from '../setup/make.js'
import type {NativeFolders} from '../setup/native-folders.js'
import {maskEnvironment, maskFolders} from './folders.js'
import {findToolchain, type Toolchain} from './toolchain.js'

/** The Python that {@link buildMask} builds for. */
export type BuildMaskOptions = {
  /** The interpreter to build for, as `findPython` gives it. */
  readonly python: string
  readonly signal?: AbortSignal | undefined
}

/** The mask extension that was built, with what, and the functions that were seen to work. */
export type BuildMaskResult = {
  readonly python: string
  readonly pythonVersion: string
  readonly cythonVersion: string
  readonly compiler: string
  /** The compiled module. */
  readonly library: string
  /** All that make and the compiler printed. */
  readonly log: string
  /** Whether there was anything to build. */
  readonly changed: boolean
  /** What the self-test found to be working. */
  readonly functions: readonly string[]
}

const sourceNames = ['Makefile', '_mask.pyx', 'rle.c', 'rle.h']
const selfTestSchema = z.object({functions: z.array(z.string())})
const selfTestTimeoutMs = 60_000

/**
 * Builds the mask extension with `make`, as far as it is not built yet, and has every function compute something.
 *
 * @throws {EnvironmentError} naming what is missing, or the log of a build that failed
 */
export async function buildMask({python, signal}: BuildMaskOptions): Promise<BuildMaskResult> {
  const tools = await findToolchain(python, signal)
  const folders = maskFolders()
  const library = path.join(folders.build, `_mask${tools.suffix}`)
  await prepareFolder(folders.build)
  return withLock(path.join(folders.build, '.lock'), async () => {
    const {log, changed} = await build({python, tools, folders, library, signal})
    const functions = await selfTest(python, log, signal)
    const {compiler, pythonVersion, cythonVersion} = tools
    return {python, pythonVersion, cythonVersion, compiler, library, log, changed, functions}
  })
}

async function prepareFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, {recursive: true})
    await writeFile(path.join(folder, '.gitignore'), '*\n')
  } catch (error) {
    throw new EnvironmentError(`The build folder ${printable(folder, 300)} cannot be written to.`, {
      next: 'Name another folder with the environment variable VILBERT_TS_REFER_BUILD.',
      cause: error,
    })
  }
}

type BuildOptions = {
  readonly python: string
  readonly tools: Toolchain
  readonly folders: NativeFolders
  readonly library: string
  readonly signal: AbortSignal | undefined
}

/** A run that finds nothing to do leaves the log of the build that there was. */
async function build(options: BuildOptions): Promise<{log: string; changed: boolean}> {
  const {python, tools, folders, library, signal} = options
  await copySources(folders, sourceNames)
  const timeBefore = await modifiedNs(library)
  const values = {PYTHON: python, CC: tools.compiler}
  const {failed, exitCode, output} = await runMake({folders, values, signal})
  const changed = timeBefore !== (await modifiedNs(library))
  const log = path.join(folders.build, 'build.log')
  if (failed || changed || !existsSync(log)) await writeFileAtomic(log, output)
  if (!failed) return {log, changed}
  throw new EnvironmentError(`make could not build the mask extension (exit code ${exitCode ?? 'none'}).`, {
    code: 'E_BUILD',
    next: `The whole output is in ${printable(log, 300)}.`,
    cause: new Error(printable(tellingLine(output), 300)),
  })
}

/** That it compiles says little about whether it computes. */
async function selfTest(
  python: string,
  log: string,
  signal: AbortSignal | undefined,
): Promise<readonly string[]> {
  const {stdout, stderr, failed} = await execa(python, ['-m', 'refer.selftest'], {
    env: {...cleanPythonEnv(process.env), ...maskEnvironment(), PYTHONPATH: pythonRoot},
    extendEnv: false,
    stdin: 'ignore',
    timeout: selfTestTimeoutMs,
    reject: false,
    ...(signal === undefined ? {} : {cancelSignal: signal}),
  })
  throwIfInterrupted(signal)
  if (!failed) return selfTestSchema.parse(JSON.parse(stdout)).functions
  throw new EnvironmentError('The mask extension was built but does not work.', {
    code: 'E_BUILD',
    next: `What the build printed is in ${printable(log, 300)}.`,
    cause: new Error(printable(stderr.trimEnd().split('\n').at(-1) ?? '', 300)),
  })
}

async function modifiedNs(file: string): Promise<bigint | undefined> {
  const status = await stat(file, {bigint: true}).catch(() => undefined)
  return status?.mtimeNs
}
