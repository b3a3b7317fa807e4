import {existsSync} from 'node:fs'
import path from 'node:path'

/**
 * The environment of a clone: `.venv` in it, with the tools for checks and tests.
 *
 * @param {string} root the package's folder
 */
export function projectVenv(root) {
  return venvOptions(root, path.join(root, '.venv'), ['requirements.txt', 'requirements-dev.txt'])
}

/**
 * The environment of an installed package: in a cache folder, because node_modules is replaced by every update.
 *
 * @param {string} root the package's folder
 * @param {string} venvDir
 */
export function installedVenv(root, venvDir) {
  return venvOptions(root, venvDir, ['requirements.txt'])
}

/**
 * A clone has a package-lock.json, which npm never puts into a package.
 *
 * @param {string} root the package's folder
 */
export function isClone(root) {
  return existsSync(path.join(root, 'package-lock.json'))
}

/**
 * @param {string} root
 * @param {string} venvDir
 * @param {readonly string[]} names
 */
function venvOptions(root, venvDir, names) {
  const python = path.join(root, 'python')
  return {
    venvDir,
    requirementFiles: names.map((name) => path.join(python, name)),
    constraintFile: path.join(python, 'requirements-locked.txt'),
  }
}
