import {execa} from 'execa'
import {existsSync} from 'node:fs'
import path from 'node:path'
import {z} from 'zod'
import {throwIfInterrupted} from '../breathe.js'
import {printable} from '../errors.js'
import {cleanPythonEnv} from '../setup/base-python.mjs'
import {programRuns} from '../setup/make.js'
import {NotBuilt} from './not-built.js'

/** What the kernels are built with. */
export type Toolchain = {
  /** The command of the C++ compiler, options included. */
  readonly compiler: string
  /** The folder of the libraries in Paddle's wheel. */
  readonly paddleLibraries: string
}

const findPaddle = `
import importlib.util, json, os.path, sys
spec = importlib.util.find_spec("paddle")
folder = None if spec is None else os.path.dirname(spec.origin)
json.dump(None if folder is None else os.path.join(folder, "libs"), sys.stdout)
`
const neededLibraries = ['libdnnl.so.3', 'libiomp5.so']
const probeTimeoutMs = 20_000

/**
 * Looks for everything that a build needs, the cheapest first.
 *
 * @throws {NotBuilt} for the first thing that is missing
 */
export async function findToolchain(python: string, signal?: AbortSignal): Promise<Toolchain> {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new NotBuilt(`they are for Linux on x86-64, and this is ${process.platform} on ${process.arch}`)
  }
  const install = 'Debian and Ubuntu: apt-get install build-essential'
  if (!(await programRuns('make', signal))) throw new NotBuilt(`make is not installed (${install})`)
  const compiler = await findCompiler(signal)
  if (compiler === undefined) throw new NotBuilt(`there is no C++ compiler, g++ (${install})`)
  return {compiler, paddleLibraries: await paddleLibraries(python, signal)}
}

/** CXX is how users of make name their compiler. */
async function findCompiler(signal: AbortSignal | undefined): Promise<string | undefined> {
  const named = process.env['CXX']
  if (named !== undefined && named.trim() !== '') {
    if (await programRuns(named, signal)) return named
    throw new NotBuilt(`the C++ compiler \`${printable(named)}\` that CXX names does not run`)
  }
  for (const compiler of ['g++', 'c++']) if (await programRuns(compiler, signal)) return compiler
  return undefined
}

/** Where Paddle is, without importing it, which takes seconds. */
async function paddleLibraries(python: string, signal: AbortSignal | undefined): Promise<string> {
  const {stdout, failed} = await execa(python, ['-c', findPaddle], {
    env: cleanPythonEnv(process.env),
    extendEnv: false,
    stdin: 'ignore',
    reject: false,
    timeout: probeTimeoutMs,
    ...(signal === undefined ? {} : {cancelSignal: signal}),
  })
  throwIfInterrupted(signal)
  const folder = failed ? null : z.string().nullable().parse(JSON.parse(stdout))
  if (folder === null) throw new NotBuilt(`there is no Paddle in ${printable(python, 300)}`)
  const missing = neededLibraries.find((name) => !existsSync(path.join(folder, name)))
  if (missing !== undefined) throw new NotBuilt(`there is no ${missing} in ${printable(folder, 300)}`)
  return folder
}
