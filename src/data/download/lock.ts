import {randomUUID} from 'node:crypto'
import {link, open, readFile, rename, rm, stat, utimes} from 'node:fs/promises'
import {hostname} from 'node:os'
import {dirname} from 'node:path'
import {setTimeout as delay} from 'node:timers/promises'
import {throwIfInterrupted} from '../../breathe.js'
import {isRunning, removeLeftovers, temporaryName} from '../../files.js'

export type LockOptions = {
  readonly signal?: AbortSignal | undefined
  /** Told once when another process has the lock. */
  readonly onWait?: (owner: string) => void
  /** How often the owner shows that it lives. @default 5000 */
  readonly heartbeatMs?: number
}

const pollMs = 200
/** An owner that showed no life for so many heartbeats is gone, wherever it ran. */
const missedHeartbeats = 6

/**
 * Lets one process at a time work on a file. The lock is `<path>.lock`; that of a process which ended without
 * removing it (killed, power cut, another machine) is taken over.
 */
export async function withFileLock<T>(
  path: string,
  work: () => Promise<T>,
  options: LockOptions = {},
): Promise<T> {
  const lockFile = `${path}.lock`
  const content = `${hostname()} ${process.pid} ${randomUUID()}\n`
  const heartbeatMs = options.heartbeatMs ?? 5000
  await removeLeftovers(dirname(path))
  await acquire(lockFile, content, heartbeatMs, options)
  const heartbeat = setInterval(() => {
    const now = new Date()
    utimes(lockFile, now, now).catch(() => undefined)
  }, heartbeatMs)
  heartbeat.unref()
  try {
    return await work()
  } finally {
    clearInterval(heartbeat)
    if ((await contentOf(lockFile)) === content) await rm(lockFile, {force: true})
  }
}

async function acquire(
  lockFile: string,
  content: string,
  heartbeatMs: number,
  {signal, onWait}: LockOptions,
): Promise<void> {
  const watch = new OwnerWatch(heartbeatMs * missedHeartbeats)
  let told = false
  while (!(await tryCreate(lockFile, content))) {
    throwIfInterrupted(signal)
    const owner = await contentOf(lockFile)
    if (owner === undefined) continue
    if (await watch.isGone(lockFile, owner)) {
      await takeAway(lockFile, owner)
      continue
    }
    if (!told) onWait?.(owner.split(' ').slice(0, 2).join(', process '))
    told = true
    await delay(pollMs)
  }
}

/** Creating a file with `wx` is atomic: only one of several processes succeeds. */
async function tryCreate(lockFile: string, content: string): Promise<boolean> {
  try {
    const handle = await open(lockFile, 'wx')
    await handle.writeFile(content)
    await handle.close()
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  }
}

/** Watches for signs of life: process numbers mean nothing on another machine, and are given out again on ours. */
class OwnerWatch {
  readonly #patienceMs: number
  #seen = ''
  #seenAtMs = 0

  constructor(patienceMs: number) {
    this.#patienceMs = patienceMs
  }

  async isGone(lockFile: string, owner: string): Promise<boolean> {
    const [host, pid] = owner.split(' ')
    if (host === hostname() && pid !== undefined && !isRunning(Number(pid))) return true
    const status = await stat(lockFile).catch(() => undefined)
    const sign = `${owner}${status?.mtimeMs ?? 0}`
    if (sign !== this.#seen) {
      this.#seen = sign
      this.#seenAtMs = performance.now()
    }
    return performance.now() - this.#seenAtMs > this.#patienceMs
  }
}

/**
 * Two may try this at once; the one that finds it took a new lock by mistake puts that back. Whoever is killed between
 * leaves a name that the next one removes.
 */
async function takeAway(lockFile: string, owner: string): Promise<void> {
  const aside = temporaryName(lockFile)
  try {
    await rename(lockFile, aside)
  } catch {
    return
  }
  if ((await contentOf(aside)) !== owner) await link(aside, lockFile).catch(() => undefined)
  await rm(aside, {force: true})
}

async function contentOf(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(() => undefined)
}
