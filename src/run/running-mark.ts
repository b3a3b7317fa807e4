import {readFile, rm, writeFile} from 'node:fs/promises'
import {hostname} from 'node:os'
import {join} from 'node:path'
import {z} from 'zod'

const markSchema = z.object({host: z.string(), pid: z.int().min(1)})
const markFile = (runFolder: string): string => join(runFolder, '.running.json')

/**
 * Says in a run's folder that this process trains it, until it is disposed of. A help for those who look at runs: where
 * it cannot be written, training goes on all the same.
 */
export async function markRunning(runFolder: string): Promise<AsyncDisposable> {
  const file = markFile(runFolder)
  await writeFile(file, JSON.stringify({host: hostname(), pid: process.pid})).catch(() => undefined)
  return {[Symbol.asyncDispose]: () => rm(file, {force: true}).catch(() => undefined)}
}

/** Whether the process that trains a run is there; undefined where it is on another machine, so that nobody can tell. */
export async function isMarkedRunning(runFolder: string): Promise<boolean | undefined> {
  const text = await readFile(markFile(runFolder), 'utf8').catch(() => 'null')
  const mark = markSchema.safeParse(jsonOrNull(text))
  if (!mark.success) return false
  if (mark.data.host !== hostname()) return undefined
  try {
    process.kill(mark.data.pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

function jsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
