import {readFileSync, writeFileSync} from 'node:fs'
import path from 'node:path'
import {cleanPythonEnv} from './base-python.mjs'
import {SetupFailure} from './failure.mjs'
import {run} from './run.mjs'

/**
 * @typedef {object} InstallOptions
 * @property {string} python
 * @property {readonly string[]} requirementFiles
 * @property {string | undefined} [constraintFile]
 * @property {boolean} gpu
 * @property {string} logFile
 * @property {(line: string) => void} [onLine]
 * @property {AbortSignal | undefined} [signal]
 */

/** The GPU builds of Paddle 3 lie on Paddle's own index, one folder for each CUDA version. */
const paddleIndexHost = 'www.paddlepaddle.org.cn'
const cudaVersion = 'cu126'

/** A server that cannot be reached should be known in a minute, not after pip's five patient retries. */
const patience = ['--retries', '2', '--timeout', '20']

const commonArgs = [
  '--disable-pip-version-check',
  '--no-input',
  '--progress-bar',
  'off',
  '--only-binary',
  ':all:',
]

/**
 * Installs the requirements. For GPUs, Paddle's line is taken out of them and its GPU build comes from Paddle's
 * own index.
 *
 * @param {InstallOptions} options
 * @throws {SetupFailure} with the last lines of pip and the place of its whole log
 */
export async function installPackages(options) {
  const {requirementFiles, constraintFile, gpu, python, logFile} = options
  const folder = path.dirname(logFile)
  if (gpu) {
    const requirement = gpuRequirement(requirementFiles.map((file) => readFileSync(file, 'utf8')).join('\n'))
    const index = new URL(`/packages/stable/${cudaVersion}/`, `https://${paddleIndexHost}`)
    await pipInstall(
      options,
      [...patience, '--index-url', index.href, requirement],
      `Paddle's GPU index (${index.host})`,
    )
  }
  const files = gpu ? requirementFiles.map((file) => withoutPaddle(file, folder)) : requirementFiles
  const constraints =
    gpu && constraintFile !== undefined ? withoutPaddle(constraintFile, folder) : constraintFile
  const constraintArgs = constraints === undefined ? [] : ['-c', constraints]
  await pipInstall(
    {...options, python},
    [...constraintArgs, ...files.flatMap((file) => ['-r', file])],
    'the package index',
  )
}

/**
 * The GPU build has the version that the requirements pin for the CPU build.
 *
 * @param {string} requirements
 */
function gpuRequirement(requirements) {
  const version = /^paddlepaddle==(\S+)/m.exec(requirements)?.[1]
  if (version === undefined) throw new SetupFailure('The requirements pin no paddlepaddle.', {exitCode: 1})
  return `paddlepaddle-gpu==${version}`
}

/**
 * @param {string} file
 * @param {string} folder where the copy goes
 */
function withoutPaddle(file, folder) {
  const copy = path.join(folder, `gpu-${path.basename(file)}`)
  writeFileSync(copy, readFileSync(file, 'utf8').replaceAll(/^paddlepaddle==.*$/gm, ''))
  return copy
}

/**
 * @param {InstallOptions} options
 * @param {readonly string[]} args
 * @param {string} source what the packages come from, for the message
 */
async function pipInstall({python, logFile, onLine, signal}, args, source) {
  const env = cleanPythonEnv(process.env)
  const result = await run(python, ['-m', 'pip', 'install', ...commonArgs, ...args], {
    env,
    logFile,
    onLine,
    signal,
  })
  if (result.exitCode === 0) return
  const details = result.tail.filter((line) => !line.startsWith('WARNING: Location '))
  if (isNetworkTrouble(result.output)) {
    throw new SetupFailure(`The Python packages could not be fetched: ${source} cannot be reached.`, {
      exitCode: 6,
      next: `Check the network and the proxy settings and run this again. The whole output is in ${logFile}.`,
      details,
    })
  }
  throw new SetupFailure(`pip could not install the Python packages (exit code ${result.exitCode}).`, {
    next: `The whole output is in ${logFile}.`,
    details,
  })
}

/**
 * pip has one exit code for everything; what tells is what it wrote.
 *
 * @param {string} output
 */
function isNetworkTrouble(output) {
  return /NewConnectionError|ConnectTimeout|ReadTimeout|Connection (?:broken|aborted|refused)|ProxyError|SSLError|Max retries exceeded|Temporary failure in name resolution|HTTP error 5\d\d|50[234] (?:Server|Client) Error/.test(
    output,
  )
}
