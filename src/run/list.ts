import {existsSync} from 'node:fs'
import {readdir} from 'node:fs/promises'
import {join} from 'node:path'
import {DataError, printable, VilbertError} from '../errors.js'
import {summarizeRun, type RunSummary} from './summary.js'

/** A folder with a run.json that is not that of a run of this version. */
export type UnreadableRun = {readonly folder: string; readonly problem: string}

/** The runs below a folder, and those that could not be read, with the reason. */
export type RunList = {readonly runs: readonly RunSummary[]; readonly unreadable: readonly UnreadableRun[]}

const deepest = 4

/** The runs below a folder, the one that was started last first. @throws DataError if there is no such folder */
export async function listRuns(folder: string): Promise<RunList> {
  const found = await Promise.all(
    (await runFolders(folder)).map(async (run) => {
      try {
        return await summarizeRun(run)
      } catch (error) {
        if (!(error instanceof VilbertError)) throw error
        return {folder: run, problem: error.message}
      }
    }),
  )
  const runs = found.flatMap((run) => ('problem' in run ? [] : [run]))
  return {
    runs: runs.sort((a, b) => b.createdAt.localeCompare(a.createdAt)),
    unreadable: found.flatMap((run) => ('problem' in run ? [run] : [])),
  }
}

/** The folders of runs below a folder, itself included. @throws DataError E_MISSING_FILE */
export async function runFolders(folder: string): Promise<string[]> {
  if (!existsSync(folder)) {
    throw new DataError(`The folder ${printable(folder, 300)} does not exist.`, {
      code: 'E_MISSING_FILE',
      next: 'Pass the folder that your runs are in.',
    })
  }
  return (await below(folder, 0)).sort()
}

async function below(folder: string, depth: number): Promise<string[]> {
  if (existsSync(join(folder, 'run.json'))) return [folder]
  if (depth === deepest) return []
  const entries = await readdir(folder, {withFileTypes: true}).catch(() => [])
  const folders = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
  return (await Promise.all(folders.map(async ({name}) => await below(join(folder, name), depth + 1)))).flat()
}
