import {createHash} from 'node:crypto'
import {existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync} from 'node:fs'
import path from 'node:path'
import {cleanPythonEnv, findBasePython, inspectPython, namedBase, unsupported} from './base-python.mjs'
import {SetupFailure} from './failure.mjs'
import {installPackages} from './pip.mjs'
import {run} from './run.mjs'

/**
 * @typedef {object} VenvOptions
 * @property {string} venvDir
 * @property {readonly string[]} requirementFiles
 * @property {string | undefined} [constraintFile] pins what the requirements bring along
 * @property {string | undefined} [python] the Python to make it from; by default the first on PATH that fits
 * @property {boolean | undefined} [gpu] Paddle for GPUs; by default what the environment already has
 * @property {AbortSignal | undefined} [signal]
 */

/**
 * One thing to do. `run` answers with a note such as a version; it may report lines of progress.
 *
 * @typedef {object} SetupStep
 * @property {string} title
 * @property {(report: (line: string) => void) => Promise<string>} run
 */

/**
 * What a finished environment says about itself; without it an environment counts as half-made.
 *
 * @typedef {object} VenvStamp
 * @property {'vilbert-ts/venv@1'} schema
 * @property {string} pythonVersion
 * @property {boolean} gpu
 * @property {string} requirementsSha256
 * @property {readonly string[]} distributions the `.dist-info` folders of its packages
 */

const stampName = 'vilbert-ts.json'
const logName = 'setup.log'

/**
 * Says what is left to do until an environment holds what the requirements ask for: nothing, the packages, or all
 * of it. An environment that was not finished, or whose Python is gone, is made anew.
 *
 * @param {VenvOptions} options
 * @returns {Promise<SetupStep[]>}
 * @throws {SetupFailure} when `venvDir` is something else than a Python environment
 */
export async function planVenv(options) {
  const {venvDir} = options
  const stamp = readStamp(venvDir)
  const gpu = options.gpu ?? stamp?.gpu ?? false
  const wanted = {...options, gpu, requirementsSha256: requirementsHash(options, gpu)}
  const runs = stamp !== undefined && (await isIntact(options, stamp))
  if (runs && stamp.requirementsSha256 === wanted.requirementsSha256 && hasDistributions(venvDir, stamp))
    return []
  assertReplaceable(venvDir)
  const create = runs && stamp.gpu === gpu ? [] : [createStep(options)]
  return [...create, installStep(wanted)]
}

/**
 * The interpreter of an environment.
 *
 * @param {string} venvDir
 */
export function venvPython(venvDir) {
  return process.platform === 'win32'
    ? path.join(venvDir, 'Scripts', 'python.exe')
    : path.join(venvDir, 'bin', 'python')
}

/**
 * Reads what a finished environment says about itself.
 *
 * @param {string} venvDir
 * @returns {VenvStamp | undefined} nothing for an environment that is missing or half-made
 */
export function readStamp(venvDir) {
  try {
    /** @type {unknown} */
    const stamp = JSON.parse(readFileSync(path.join(venvDir, stampName), 'utf8'))
    const isStamp = typeof stamp === 'object' && stamp !== null && 'schema' in stamp
    return isStamp && stamp.schema === 'vilbert-ts/venv@1' ? /** @type {VenvStamp} */ (stamp) : undefined
  } catch {
    return undefined
  }
}

/**
 * The Python must still run, be the one that it was made from, and be the one that was asked for.
 *
 * @param {VenvOptions} options
 * @param {VenvStamp} stamp
 */
async function isIntact({venvDir, python}, stamp) {
  const facts = await inspectPython(venvPython(venvDir))
  if (facts?.version !== stamp.pythonVersion || unsupported(facts) !== undefined) return false
  const named = namedBase({python})
  if (named === undefined) return true
  const asked = await inspectPython(named)
  return asked?.version === facts.version
}

/**
 * A package that was removed since shows as a missing folder.
 *
 * @param {string} venvDir
 * @param {VenvStamp} stamp
 */
function hasDistributions(venvDir, stamp) {
  const present = new Set(distributions(venvDir))
  return stamp.distributions.every((name) => present.has(name))
}

/**
 * @param {string} venvDir
 * @returns {string[]}
 */
function distributions(venvDir) {
  const folder = sitePackages(venvDir)
  return folder === undefined ? [] : readdirSync(folder).filter((name) => name.endsWith('.dist-info'))
}

/**
 * @param {string} venvDir
 * @returns {string | undefined}
 */
function sitePackages(venvDir) {
  if (process.platform === 'win32') return path.join(venvDir, 'Lib', 'site-packages')
  const lib = path.join(venvDir, 'lib')
  const version = existsSync(lib) ? readdirSync(lib).find((name) => name.startsWith('python3.')) : undefined
  return version === undefined ? undefined : path.join(lib, version, 'site-packages')
}

/**
 * Line endings and the place of the files do not matter, their content does.
 *
 * @param {VenvOptions} options
 * @param {boolean} gpu
 * @returns {string}
 */
export function requirementsHash({requirementFiles, constraintFile}, gpu) {
  const hash = createHash('sha256').update(gpu ? 'gpu\n' : 'cpu\n')
  for (const file of [...requirementFiles, ...(constraintFile === undefined ? [] : [constraintFile])]) {
    hash.update(`${path.basename(file)}\n${readFileSync(file, 'utf8').replaceAll('\r\n', '\n')}\0`)
  }
  return hash.digest('hex')
}

/**
 * Only what is a Python environment, or the beginning of one, may be deleted.
 *
 * @param {string} venvDir
 */
function assertReplaceable(venvDir) {
  if (!existsSync(venvDir)) return
  const names = readdirSync(venvDir)
  if (names.length === 0 || names.includes('pyvenv.cfg') || names.includes(logName)) return
  throw new SetupFailure(`${venvDir} is in the way: it is not a Python environment.`, {
    next: 'Move it away and run this again.',
  })
}

/**
 * @param {VenvOptions} options
 * @returns {SetupStep}
 */
function createStep({venvDir, python, signal}) {
  return {
    title: 'Python environment',
    run: async () => {
      const base = await findBasePython({python})
      rmSync(venvDir, {recursive: true, force: true})
      mkdirSync(venvDir, {recursive: true})
      const logFile = path.join(venvDir, logName)
      const env = cleanPythonEnv(process.env)
      const made = await run(base.baseExecutable, ['-m', 'venv', venvDir], {env, logFile, signal})
      if (made.exitCode !== 0) {
        throw new SetupFailure(`${base.baseExecutable} could not make the environment ${venvDir}.`, {
          next: `The whole output is in ${logFile}.`,
          details: made.tail,
        })
      }
      return `Python ${base.version} of ${base.baseExecutable}`
    },
  }
}

/**
 * The stamp is taken away first and written last, so that whatever ends this early leaves a half-made environment.
 *
 * @param {VenvOptions & {gpu: boolean, requirementsSha256: string}} options
 * @returns {SetupStep}
 */
function installStep({venvDir, gpu, requirementsSha256, ...options}) {
  return {
    title: gpu ? 'Python packages with Paddle for GPUs' : 'Python packages',
    run: async (report) => {
      rmSync(path.join(venvDir, stampName), {force: true})
      const python = venvPython(venvDir)
      const logFile = path.join(venvDir, logName)
      await installPackages({...options, python, gpu, logFile, onLine: report})
      const facts = await inspectPython(python)
      if (facts === undefined) throw new SetupFailure(`${python} does not run any more.`)
      const installed = distributions(venvDir)
      writeStamp(venvDir, {
        schema: 'vilbert-ts/venv@1',
        pythonVersion: facts.version,
        gpu,
        requirementsSha256,
        distributions: installed,
      })
      return `${installed.length} packages`
    },
  }
}

/**
 * @param {string} venvDir
 * @param {VenvStamp} stamp
 */
function writeStamp(venvDir, stamp) {
  const file = path.join(venvDir, stampName)
  writeFileSync(`${file}.new`, `${JSON.stringify(stamp, undefined, 2)}\n`)
  renameSync(`${file}.new`, file)
}
