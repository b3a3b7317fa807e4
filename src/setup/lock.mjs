import {mkdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import path from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'

const pollMs = 200

/**
 * Lets one process at a time do some work, so that two terminals do not install into the same folder. The lock is
 * a file with the owner's process id; that of a process which no longer lives is taken over.
 *
 * @template T
 * @param {string} lockFile
 * @param {() => Promise<T>} work
 * @param {(ownerPid: number) => void} [onWait] called once when another process has the lock
 * @returns {Promise<T>}
 */
export async function withLock(lockFile, work, onWait) {
  mkdirSync(path.dirname(lockFile), {recursive: true})
  let told = false
  while (!tryLock(lockFile)) {
    const ownerPid = ownerOf(lockFile)
    if (ownerPid === undefined || !isAlive(ownerPid)) {
      rmSync(lockFile, {force: true})
      continue
    }
    if (!told) onWait?.(ownerPid)
    told = true
    await sleep(pollMs)
  }
  try {
    return await work()
  } finally {
    rmSync(lockFile, {force: true})
  }
}

/**
 * Creating a file with `wx` is atomic: only one of several processes succeeds.
 *
 * @param {string} lockFile
 */
function tryLock(lockFile) {
  try {
    writeFileSync(lockFile, String(process.pid), {flag: 'wx'})
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  }
}

/**
 * @param {string} lockFile
 * @returns {number | undefined} nothing when the file is gone or holds no process id
 */
function ownerOf(lockFile) {
  try {
    const pid = Number(readFileSync(lockFile, 'utf8'))
    return Number.isInteger(pid) && pid > 0 ? pid : undefined
  } catch {
    return undefined
  }
}

/**
 * A process of another user answers EPERM, which also means that it lives.
 *
 * @param {number} pid
 */
function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
