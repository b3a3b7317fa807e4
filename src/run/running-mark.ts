import {readFile, rm, writeFile} from 'node:fs/promises'
import {hostname} from 'node:os'
import {join} from 'node:path'
import {z} from 'zod'

const markSchema = z.object({
  host: z.string(),
  pid: z.int().min(1),
  /** When it started, in what /proc counts: a number may belong to another process by now. */
  start: z.string().nullable(),
})
const markFile = (runFolder: string): string => join(runFolder, '.running.json')

/**
 * Says in a run's folder that this process trains it, until it is disposed of. A help for those who look at runs: where
 * it cannot be written, training goes on all the same.
 */
export async function markRunning(runFolder: string): Promise<AsyncDisposable> {
  const file = markFile(runFolder)
  const mark = {host: hostname(), pid: process.pid, start: await startOf(process.pid)}
  await writeFile(file, JSON.stringify(mark)).catch(() => undefined)
  return {[Symbol.asyncDispose]: () => rm(file, {force: true}).catch(() => undefined)}
}

/** Whether the process that trains a run is there; undefined where it is on another machine, so that nobody can tell. */
export async function isMarkedRunning(runFolder: string): Promise<boolean | undefined> {
  const text = await readFile(markFile(runFolder), 'utf8').catch(() => 'null')
  const mark = markSchema.safeParse(jsonOrNull(text))
  if (!mark.success) return false
  const {host, pid, start} = mark.data
  if (host !== hostname()) return undefined
  return isThere(pid) && (await startOf(pid)) === start
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

/** Null where there is no /proc. */
async function startOf(pid: number): Promise<string | null> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  // The name of the program stands in front, in brackets, and may hold anything.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return fields[19] ?? null
}

function jsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
