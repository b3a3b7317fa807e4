// Makes a clone ready to run: npm packages, build, Python environment, kernels. Nothing is done twice. It runs before
// anything is installed, so it uses nothing but Node; the kernels come last and are built by what was installed.
// `npm run ready`, and the first step of demo, test and check.
import path from 'node:path'
import {fileURLToPath} from 'node:url'
import {build, isBuilt} from './build.mjs'
import {SetupFailure, showFailure} from './failure.mjs'
import {withLock} from './lock.mjs'
import {installNodeModules, isInstalled} from './node-modules.mjs'
import {unsupportedNode} from './node-version.mjs'
import {projectVenv} from './project-venv.mjs'
import {planVenv, venvPython} from './venv.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))

await alone(path.join(root, '.ready.lock'), ready).catch(showFailure)

async function ready() {
  const startedAtMs = Date.now()
  const oldNode = unsupportedNode()
  if (oldNode !== undefined)
    throw new SetupFailure(oldNode, {next: 'Install a newer Node and run this again.'})
  if (!isInstalled(root)) await timed('npm packages', () => installNodeModules(root))
  if (!isBuilt(root)) await timed('build', () => build(root))
  for (const step of await planVenv(projectVenv(root)))
    await timed(step.title, () => step.run(() => undefined))
  await kernels()
  say(`ready (${seconds(startedAtMs)})`)
}

/**
 * Another `ready` or `vilbert-ts setup` may be at work in this clone.
 *
 * @param {string} lockFile
 * @param {() => Promise<void>} work
 */
function alone(lockFile, work) {
  return withLock(lockFile, work, (pid) => {
    say(`waiting for another set-up (process ${pid}) …`)
  })
}

/**
 * What is used of `../kernels/build.ts`, which is not compiled yet when this file is looked at.
 *
 * @typedef {{python: string, onStart: () => void}} KernelsOptions
 * @typedef {{reason: string | null, changed: boolean}} KernelsBuild
 * @typedef {{buildKernels: (options: KernelsOptions) => Promise<KernelsBuild>}} KernelsModule
 */

/** They make it faster, and everything runs without them: that there are none is said and is no failure. */
async function kernels() {
  const startedAtMs = Date.now()
  const built = new URL('../../dist/src/kernels/build.js', import.meta.url)
  /** @type {unknown} */
  const imported = await import(built.href)
  const {buildKernels} = /** @type {KernelsModule} */ (imported)
  const python = venvPython(projectVenv(root).venvDir)
  const onStart = () => {
    say('kernels …')
  }
  const {reason, changed} = await buildKernels({python, onStart})
  if (changed) say(`kernels: done (${seconds(startedAtMs)})`)
  if (reason !== null) say(`kernels: none, Paddle's own operators compute: ${reason}`)
}

/**
 * A line before, because some steps take minutes, and one after with what came of it.
 *
 * @param {string} title
 * @param {() => Promise<string | void>} work
 */
async function timed(title, work) {
  const startedAtMs = Date.now()
  say(`${title} …`)
  const note = await work()
  say(`${title}: done${typeof note === 'string' ? `, ${note}` : ''} (${seconds(startedAtMs)})`)
}

/** @param {number} sinceMs */
function seconds(sinceMs) {
  return `${((Date.now() - sinceMs) / 1000).toFixed(1)} s`
}

/**
 * Progress goes to stderr, so that a command behind it owns stdout.
 *
 * @param {string} line
 */
function say(line) {
  process.stderr.write(`${line}\n`)
}
