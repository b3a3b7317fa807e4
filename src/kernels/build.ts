import {existsSync} from 'node:fs'
import {mkdir, readdir, stat, writeFile} from 'node:fs/promises'
import {availableParallelism} from 'node:os'
import path from 'node:path'
import {throwIfInterrupted} from '../breathe.js'
import {printable} from '../errors.js'
import {writeFileAtomic} from '../files.js'
import {withLock} from '../setup/lock.mjs'
import {copySources, runMake, tellingLine} from '../setup/make.js'
import type {NativeFolders} from '../setup/native-folders.js'
import {kernelFolders, kernelLibrary, namedKernels} from './folders.js'
import {fetchHeaders} from './headers.js'
import {NotBuilt} from './not-built.js'
import {selfTest} from './self-test.js'
import {findToolchain, type Toolchain} from './toolchain.js'

export type BuildKernelsOptions = {
  /** The interpreter for whose Paddle they are built. */
  readonly python: string
  /** @default those of this package */
  readonly folders?: NativeFolders | undefined
  /** Told once, before anything is fetched or compiled. */
  readonly onStart?: (() => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** What came of it. Without kernels, Paddle's own operators compute. */
export type KernelsBuild = {
  readonly library: string | null
  /** Why there are none, as a clause; null where there is a library. */
  readonly reason: string | null
  /** What make and the compiler printed; null where they have not run yet. */
  readonly log: string | null
  /** Whether there was anything to build. */
  readonly changed: boolean
}

/**
 * Builds the kernels with `make`, as far as they are not built yet, and has every one of them compute something.
 * Whatever stands in the way is no failure: the answer says what it was.
 *
 * @throws {InterruptedError} when the signal is aborted
 */
export async function buildKernels(options: BuildKernelsOptions): Promise<KernelsBuild> {
  const folders = options.folders ?? kernelFolders()
  const log = path.join(folders.build, 'build.log')
  try {
    const changed = await build({...options, folders, onStart: once(options.onStart)}, log)
    return {library: kernelLibrary(folders), reason: null, log, changed}
  } catch (error) {
    throwIfInterrupted(options.signal)
    return {library: null, reason: reasonOf(error), log: existsSync(log) ? log : null, changed: false}
  }
}

type Options = BuildKernelsOptions & {readonly folders: NativeFolders}

async function build({python, folders, onStart, signal}: Options, log: string): Promise<boolean> {
  const named = namedKernels()
  if (named !== undefined) throw new NotBuilt(`VILBERT_TS_KERNELS=${printable(named, 300)} is set`)
  const tools = await findToolchain(python, signal)
  await mkdir(folders.build, {recursive: true})
  await writeFile(path.join(folders.build, '.gitignore'), '*\n')
  return withLock(path.join(folders.build, '.lock'), async () => {
    const include = await fetchHeaders({python, folders, log, onStart, signal})
    const changed = await compile({tools, folders, include, log, onStart, signal})
    await selfTest({python, library: kernelLibrary(folders), signal})
    return changed
  })
}

type CompileOptions = Omit<Options, 'python'> & {
  readonly tools: Toolchain
  readonly include: string
  readonly log: string
}

/** A run that finds nothing to do leaves the log of the build that there was. */
async function compile({tools, folders, include, log, onStart, signal}: CompileOptions): Promise<boolean> {
  const names = (await readdir(folders.sources)).filter((name) => /\.(?:cc|h)$|^Makefile$/.test(name))
  await copySources(folders, names)
  const values = {CXX: tools.compiler, PADDLE_LIBS: tools.paddleLibraries, ONEDNN_INCLUDE: include}
  const timeBefore = await modifiedNs(kernelLibrary(folders))
  const result = await runMake({folders, values, jobs: availableParallelism(), onStart, signal})
  const changed = timeBefore !== (await modifiedNs(kernelLibrary(folders)))
  if (result.failed || changed) await writeFileAtomic(log, result.output)
  if (!result.failed) return changed
  throw new NotBuilt(`make failed: ${printable(tellingLine(result.output), 300)} (all of it is in ${log})`)
}

function once(tell: (() => void) | undefined): () => void {
  let isTold = false
  return () => {
    if (!isTold) tell?.()
    isTold = true
  }
}

async function modifiedNs(file: string): Promise<bigint | undefined> {
  const status = await stat(file, {bigint: true}).catch(() => undefined)
  return status?.mtimeNs
}

/** Even what nobody has thought of is no reason for a set-up to fail that works without the kernels. */
function reasonOf(error: unknown): string {
  if (error instanceof NotBuilt) return error.message
  return printable(error instanceof Error ? error.message : String(error), 300)
}
