import {existsSync, mkdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import path from 'node:path'
import {SetupFailure} from './failure.mjs'
import {hasManifest, removeManifest, writeManifest} from './manifest.mjs'
import {run} from './run.mjs'
import {allOutputsExist, projects, sourcesHash, staleOutputs} from './source-tree.mjs'

/**
 * Says whether nothing of the build is missing or older than the sources.
 *
 * @param {string} root
 */
export function isBuilt(root) {
  const stamp = stampFile(root)
  const isCurrent = existsSync(stamp) && readFileSync(stamp, 'utf8') === sourcesHash(root)
  return isCurrent && allOutputsExist(root) && hasManifest(root)
}

/**
 * Compiles the sources and lists the commands. Files of sources that are gone are removed afterwards instead of
 * emptying `dist` first, so that a running program does not lose its modules.
 *
 * @param {string} root
 * @throws {SetupFailure} with the compiler's messages
 */
export async function build(root) {
  const inputs = sourcesHash(root)
  rmSync(stampFile(root), {force: true})
  removeManifest(root)
  for (const project of projects(root)) await compile(root, project)
  for (const file of staleOutputs(root)) rmSync(path.join(root, 'dist', file))
  mkdirSync(path.join(root, 'dist'), {recursive: true})
  await writeManifest(root)
  writeFileSync(stampFile(root), inputs)
}

/**
 * @param {string} root
 * @param {string} project
 */
async function compile(root, project) {
  const tsc = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const result = await run(process.execPath, [tsc, '--project', project, '--pretty', 'false'], {cwd: root})
  if (result.exitCode === 0) return
  throw new SetupFailure('The TypeScript sources do not compile.', {
    exitCode: 1,
    details: result.output.split('\n'),
  })
}

/** @param {string} root */
function stampFile(root) {
  return path.join(root, 'dist', '.sources.sha256')
}
