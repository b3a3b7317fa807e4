import {readdir, rm} from 'node:fs/promises'
import {join} from 'node:path'
import {filesBelow} from './files-below.js'
import {readStates, stateName, type SavedState} from './states.js'
import {isRunning} from './progress.js'

/** What of a run can go. */
export type PrunePlan = {
  readonly folder: string
  /** States that stay, the newest first. */
  readonly kept: readonly string[]
  /** States and unfinished files that go, relative to the folder. */
  readonly removed: readonly string[]
  /** What the disk gets back. */
  readonly freedBytes: number
  /** Why nothing goes; null where that is not so. */
  readonly skipped: string | null
}

/**
 * Says what of a run is not needed: states beside the newest `keep` and that of the best validation, and what killed
 * processes left unfinished. Only states that can be resumed from count as kept, so the only one of them never goes; of
 * a run that has none, and of one that is being trained, nothing goes.
 */
export async function planPrune(folder: string, keep: number): Promise<PrunePlan> {
  const states = await readStates(folder)
  const loadable = states.filter(({problem}) => problem === null)
  const kept = keptStates(loadable, keep)
  const skipped = (await isRunning(folder))
    ? 'it is being trained'
    : loadable.length === 0 && states.length > 0
      ? 'no state of it can be resumed from, so each may be worth saving'
      : null
  if (skipped !== null)
    return {folder, kept: states.map(({name}) => name), removed: [], freedBytes: 0, skipped}
  const names = states.map(({name}) => name).filter((name) => !kept.has(name))
  const removed = [...names.map((name) => join('states', name)), ...(await leftovers(folder))]
  return {
    folder,
    kept: [...kept],
    removed,
    freedBytes: await freedBytes(folder, removed),
    skipped: null,
  }
}

/** Removes what the plan names. */
export async function prune({folder, removed}: PrunePlan): Promise<void> {
  for (const path of removed) await rm(join(folder, path), {recursive: true, force: true})
}

function keptStates(loadable: readonly SavedState[], keep: number): ReadonlySet<string> {
  const best = loadable[0]?.file?.best
  const bestName = best == null ? undefined : stateName(best.step, best.epochs)
  return new Set(
    loadable.filter(({name}, place) => place < Math.max(keep, 1) || name === bestName).map(({name}) => name),
  )
}

// Hidden names that end so are given to files and states until they are whole.
async function leftovers(folder: string): Promise<string[]> {
  const own = (await readdir(folder).catch(() => [])).filter((name) => /^\..+\.(?:tmp|link)$/.test(name))
  const states = (await readdir(join(folder, 'states')).catch(() => [])).filter((name) =>
    name.startsWith('.step-'),
  )
  return [...own, ...states.map((name) => join('states', name))]
}

/** Bytes that have a name outside of what goes stay on the disk. */
async function freedBytes(folder: string, removed: readonly string[]): Promise<number> {
  const gone = removed.map((path) => join(folder, path))
  const files = await filesBelow(folder)
  const isGone = (path: string): boolean => gone.some((each) => path === each || path.startsWith(`${each}/`))
  const staying = new Set(files.filter(({path}) => !isGone(path)).map(({id}) => id))
  const freed = new Map(
    files.filter(({path, id}) => isGone(path) && !staying.has(id)).map(({id, sizeBytes}) => [id, sizeBytes]),
  )
  return [...freed.values()].reduce((sum, size) => sum + size, 0)
}
