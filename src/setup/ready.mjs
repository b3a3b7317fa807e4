// Makes a clone ready to run: npm packages, build, Python environment. Nothing is done twice. It runs before
// anything is installed, so it uses nothing but Node. `npm run ready`, and the first step of demo, test and check.
import path from 'node:path'
import {fileURLToPath} from 'node:url'
import {build, isBuilt} from './build.mjs'
import {SetupFailure, showFailure} from './failure.mjs'
import {withLock} from './lock.mjs'
import {installNodeModules, isInstalled} from './node-modules.mjs'
import {unsupportedNode} from './node-version.mjs'
import {projectVenv} from './project-venv.mjs'
import {planVenv} from './venv.mjs'

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
