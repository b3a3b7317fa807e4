import {execa} from 'execa'
import path from 'node:path'
import {z} from 'zod'
import {throwIfInterrupted} from '../breathe.js'
import {EnvironmentError, printable} from '../errors.js'
import {cleanPythonEnv} from '../setup/base-python.mjs'
import {programRuns} from '../setup/make.js'

/** What the mask extension is built with. */
export type Toolchain = {
  /** The command of the C compiler, options included. */
  readonly compiler: string
  readonly pythonVersion: string
  readonly cythonVersion: string
  /** How the name of a compiled module ends for this Python. */
  readonly suffix: string
}

const pythonSchema = z.object({
  version: z.string(),
  cython: z.string().nullable(),
  include: z.string(),
  hasHeaders: z.boolean(),
  suffix: z.string(),
})

const probe = `
import json, os.path, platform, sys, sysconfig
try:
    import Cython
    cython = Cython.__version__
except Exception:
    cython = None
include = sysconfig.get_path("include")
json.dump({
    "version": platform.python_version(),
    "cython": cython,
    "include": include,
    "hasHeaders": os.path.isfile(os.path.join(include, "Python.h")),
    "suffix": sysconfig.get_config_var("EXT_SUFFIX"),
}, sys.stdout)
`

const probeTimeoutMs = 20_000

/**
 * Looks for make, a C compiler, Cython and Python's headers, so that what is missing is named in one sentence and
 * not by a page of a compiler's complaints.
 *
 * @throws {EnvironmentError} for the first one that is missing
 */
export async function findToolchain(python: string, signal?: AbortSignal): Promise<Toolchain> {
  if (!(await programRuns('make', signal))) {
    throw missing('make is not installed', install('make', 'build-essential'))
  }
  const compiler = await findCompiler(signal)
  const {version, cython, include, hasHeaders, suffix} = await inspect(python, signal)
  if (cython === null) throw missing(`Cython is not installed in ${python}`, cythonAdvice(python))
  if (!(Number.parseInt(cython) >= 3)) {
    throw missing(`Cython 3 is needed, and ${python} has ${printable(cython)}`, cythonAdvice(python))
  }
  if (!hasHeaders) {
    const minor = version.split('.').slice(0, 2).join('.')
    const advice = install('the headers of Python', `python${minor}-dev`)
    throw missing(`there is no Python.h in ${printable(include, 300)}`, advice)
  }
  return {compiler, pythonVersion: version, cythonVersion: cython, suffix}
}

/** CC is how users of make name their compiler; make's own default, `cc`, is not everywhere. */
async function findCompiler(signal: AbortSignal | undefined): Promise<string> {
  const named = process.env['CC']
  if (named !== undefined && named.trim() !== '') {
    if (await programRuns(named, signal)) return named
    throw missing(
      `the C compiler \`${printable(named)}\` that CC names does not run`,
      'Change CC or unset it.',
    )
  }
  for (const compiler of ['cc', 'gcc', 'clang']) {
    if (await programRuns(compiler, signal)) return compiler
  }
  throw missing('there is no C compiler (cc, gcc or clang)', install('a C compiler', 'build-essential'))
}

async function inspect(
  python: string,
  signal: AbortSignal | undefined,
): Promise<z.infer<typeof pythonSchema>> {
  const {stdout, failed, shortMessage} = await execa(python, ['-c', probe], {
    env: cleanPythonEnv(process.env),
    extendEnv: false,
    reject: false,
    timeout: probeTimeoutMs,
    ...(signal === undefined ? {} : {cancelSignal: signal}),
  })
  throwIfInterrupted(signal)
  if (failed) throw missing(`${path.basename(python)} does not answer: ${shortMessage ?? 'it failed'}`)
  return pythonSchema.parse(JSON.parse(stdout))
}

function missing(what: string, next?: string): EnvironmentError {
  return new EnvironmentError(`The mask extension cannot be built: ${what}.`, {
    code: 'E_TOOLCHAIN',
    ...(next === undefined ? {} : {next}),
  })
}

function install(what: string, debianPackage: string): string {
  return `Install ${what} (Debian and Ubuntu: apt-get install ${debianPackage}) and run this again.`
}

function cythonAdvice(python: string): string {
  return `Run \`vilbert-ts setup\`, or for a Python of your own \`${python} -m pip install "Cython>=3"\`.`
}
