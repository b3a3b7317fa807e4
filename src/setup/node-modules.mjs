import {existsSync, readFileSync} from 'node:fs'
import path from 'node:path'
import {SetupFailure} from './failure.mjs'
import {run} from './run.mjs'

/**
 * @typedef {{version?: string, integrity?: string, optional?: boolean, link?: boolean}} LockedPackage
 * @typedef {Record<string, LockedPackage>} LockedPackages
 */

/**
 * Compares what is installed with package-lock.json by the list that npm leaves in node_modules when it is done,
 * so that an install by any other npm command counts too.
 *
 * @param {string} root
 */
export function isInstalled(root) {
  const wanted = lockedPackages(path.join(root, 'package-lock.json'))
  const present = lockedPackages(path.join(root, 'node_modules', '.package-lock.json'))
  if (wanted === undefined || present === undefined) return false
  return Object.entries(wanted).every(([folder, {version, integrity, optional}]) => {
    if (folder === '') return true
    const found = present[folder]
    if (found === undefined) return optional === true
    return found.version === version && found.integrity === integrity && existsSync(path.join(root, folder))
  })
}

/**
 * Installs exactly what package-lock.json says.
 *
 * @param {string} root
 * @param {(line: string) => void} [onLine]
 * @throws {SetupFailure}
 */
export async function installNodeModules(root, onLine) {
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
  const args = ['ci', '--no-audit', '--no-fund', '--include=dev']
  const result = await run(npm, args, {cwd: root, onLine}).catch((/** @type {unknown} */ error) => {
    throw new SetupFailure(`npm does not run: ${String(error)}`, {
      next: 'Install npm, which comes with Node.',
    })
  })
  if (result.exitCode === 0) return
  const isNetwork = /code (?:E?CONN|ENOTFOUND|ETIMEDOUT|EAI_AGAIN|ERR_SOCKET)|network/i.test(result.output)
  throw new SetupFailure('`npm ci` failed.', {exitCode: isNetwork ? 6 : 1, details: result.tail})
}

/**
 * @param {string} file
 * @returns {LockedPackages | undefined}
 */
function lockedPackages(file) {
  try {
    /** @type {unknown} */
    const lock = JSON.parse(readFileSync(file, 'utf8'))
    const hasPackages = typeof lock === 'object' && lock !== null && 'packages' in lock
    return hasPackages ? /** @type {LockedPackages} */ (lock.packages) : undefined
  } catch {
    return undefined
  }
}
