import {execFile} from 'node:child_process'
import {SetupFailure} from './failure.mjs'

/** Paddle 3.3.1 has packages for these and no others. */
const lowestMinor = 9
const highestMinor = 13

/** In this order, because `python3` is what the user means where it fits. */
const candidates = ['python3', 'python3.13', 'python3.12', 'python3.11', 'python3.10', 'python3.9', 'python']

const probeTimeoutMs = 20_000

/** Read by any Python, 2.7 too, so that the answer can say which one it was. */
const probe = `
import json, platform, struct, sys
def has(name):
    try:
        __import__(name)
        return True
    except Exception:
        return False
def paddle():
    try:
        import importlib.util
        return importlib.util.find_spec("paddle") is not None
    except Exception:
        return False
print(json.dumps({
    "executable": sys.executable,
    "baseExecutable": getattr(sys, "_base_executable", None) or sys.executable,
    "version": platform.python_version(),
    "implementation": platform.python_implementation(),
    "bits": 8 * struct.calcsize("P"),
    "hasVenv": has("venv") and has("ensurepip"),
    "hasPaddle": paddle(),
}))
`

/**
 * What a Python interpreter says about itself.
 *
 * @typedef {object} PythonFacts
 * @property {string} executable
 * @property {string} baseExecutable the interpreter behind a virtual environment; else the same
 * @property {string} version such as `3.11.7`
 * @property {string} implementation
 * @property {number} bits
 * @property {boolean} hasVenv whether it can make virtual environments
 * @property {boolean} hasPaddle whether Paddle is installed in it
 */

/**
 * Finds a Python that an environment can be made from: the one that is named, else the first on PATH that fits.
 *
 * @param {{python?: string | undefined, env?: NodeJS.ProcessEnv}} [options] `python` defaults to
 *   VILBERT_TS_PYTHON_BASE
 * @returns {Promise<PythonFacts>}
 * @throws {SetupFailure} when none fits; the message says what was found
 */
export async function findBasePython({python, env = process.env} = {}) {
  const named = namedBase({python, env})
  /** @type {string[]} */
  const reasons = []
  for (const command of named === undefined ? candidates : [named]) {
    const facts = await inspectPython(command, env)
    if (facts === undefined) continue
    const reason = unsupported(facts) ?? missingVenv(facts)
    if (reason === undefined) return facts
    reasons.push(`${command} ${reason}`)
  }
  throw noPython(named, reasons)
}

/**
 * The Python that the user wants an environment to be made from.
 *
 * @param {{python?: string | undefined, env?: NodeJS.ProcessEnv}} options
 * @returns {string | undefined} nothing when any will do
 */
export function namedBase({python, env = process.env}) {
  return python ?? (env['VILBERT_TS_PYTHON_BASE'] || undefined)
}

/**
 * Asks an interpreter what it is by running it: a shim on PATH may stand for no Python at all.
 *
 * @param {string} command a name on PATH or a path
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Promise<PythonFacts | undefined>} nothing when it does not run
 */
export function inspectPython(command, env = process.env) {
  return new Promise((resolve) => {
    const options = {env: cleanPythonEnv(env), timeout: probeTimeoutMs, windowsHide: true}
    execFile(command, ['-c', probe], options, (error, stdout) => {
      resolve(error === null ? parseFacts(stdout) : undefined)
    })
  })
}

/**
 * Why the product cannot run on an interpreter, as the end of a sentence that begins with its name.
 *
 * @param {PythonFacts} facts
 * @returns {string | undefined}
 */
export function unsupported({version, implementation, bits}) {
  const [major, minor] = version.split('.').map(Number)
  const fits = major === 3 && minor !== undefined && minor >= lowestMinor && minor <= highestMinor
  if (!fits) return `is Python ${version}, which Paddle has no package for`
  if (implementation !== 'CPython') return `is ${implementation}, but Paddle needs CPython`
  if (bits !== 64) return `is a ${bits}-bit Python, but Paddle needs 64 bits`
  return undefined
}

/**
 * Settings for other Pythons (an active environment, a user install) must not leak into ours.
 *
 * @param {NodeJS.ProcessEnv} env
 * @returns {NodeJS.ProcessEnv}
 */
export function cleanPythonEnv(env) {
  const foreign = ['PYTHONHOME', 'PYTHONPATH', 'PYTHONSTARTUP', 'VIRTUAL_ENV', '__PYVENV_LAUNCHER__']
  const pip = ['PIP_USER', 'PIP_TARGET', 'PIP_PREFIX', 'PIP_REQUIRE_VIRTUALENV', 'PIP_REQUIREMENT']
  const dropped = new Set([...foreign, ...pip])
  return Object.fromEntries(Object.entries(env).filter(([name]) => !dropped.has(name)))
}

/**
 * @param {string} text
 * @returns {PythonFacts | undefined} nothing for a program that is no Python
 */
function parseFacts(text) {
  try {
    /** @type {unknown} */
    const facts = JSON.parse(text)
    const isFacts = typeof facts === 'object' && facts !== null && 'version' in facts && 'executable' in facts
    return isFacts ? /** @type {PythonFacts} */ (facts) : undefined
  } catch {
    return undefined
  }
}

/**
 * Debian ships Python without these until python3-venv is installed.
 *
 * @param {PythonFacts} facts
 */
function missingVenv({version, hasVenv}) {
  if (hasVenv) return undefined
  return `is Python ${version} without the venv module (Debian and Ubuntu: apt-get install python3-venv)`
}

/**
 * @param {string | undefined} named
 * @param {readonly string[]} reasons
 */
function noPython(named, reasons) {
  const wanted = `Python 3.${lowestMinor} to 3.${highestMinor}`
  const next =
    `Install ${wanted} (Debian and Ubuntu: apt-get install python3 python3-venv), or name one: ` +
    '`vilbert-ts setup --python PATH`, or VILBERT_TS_PYTHON_BASE=PATH for `npm run ready`.'
  if (named !== undefined && reasons.length === 0) {
    return new SetupFailure(`${named} is not a Python that runs; ${wanted} is needed.`, {next})
  }
  const found = reasons.length === 0 ? 'there is none on PATH' : reasons.join('; ')
  return new SetupFailure(`No ${wanted} was found: ${found}.`, {next})
}
