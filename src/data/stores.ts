import {statSync} from 'node:fs'
import {readdir, rm, stat} from 'node:fs/promises'
import {basename, dirname, join} from 'node:path'

import {FormatError} from '../errors.js'
import {requireSpace} from './download/disk-space.js'
import {withFileLock} from './download/lock.js'
import type {FeaturesDtype} from './features-dtype.js'
import type {OnPrepareProgress} from './progress.js'
import type {RegionSource} from './region-source.js'
import {storeJournal, storePart} from './region-writer.js'
import {buildRegions, readRegionImageIds} from './regions.js'

/** A store of region features that is wanted. */
export type StorePlan = {
  /** What progress calls its building. */
  readonly stage: string
  readonly target: string
  /** Of what it is made of. */
  readonly source: string
  readonly open: () => RegionSource
}

export type StoreOptions = {
  readonly dtype: FeaturesDtype
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: OnPrepareProgress | undefined
}

/**
 * Builds the stores that are not there yet, and gives the image ids of each. Space is checked before anything is
 * written; two processes that want the same store build it once.
 * @throws DataError E_DISK_SPACE; FormatError naming the image and the field
 */
export async function ensureStores(
  plans: readonly StorePlan[],
  options: StoreOptions,
): Promise<readonly ReadonlySet<number>[]> {
  const stores = plans.map((plan) => ({plan, imageIds: readRegionImageIds(plan.target)}))
  const missing = new Map<StorePlan, RegionSource>()
  try {
    for (const {plan, imageIds} of stores) if (imageIds === undefined) missing.set(plan, plan.open())
    await checkSpace(missing, options.dtype)
    for (const [plan, source] of missing) await buildOnce(plan, source, options)
  } finally {
    for (const source of missing.values()) source[Symbol.dispose]()
  }
  return stores.map(({plan, imageIds}) => imageIds ?? readRegionImageIds(plan.target) ?? new Set())
}

async function checkSpace(
  missing: ReadonlyMap<StorePlan, RegionSource>,
  dtype: FeaturesDtype,
): Promise<void> {
  let neededBytes = 0
  for (const [{target}, {featureBytes}] of missing) {
    const written = statSync(storePart(target), {throwIfNoEntry: false})?.size ?? 0
    neededBytes += Math.max(0, featureBytes * (dtype === 'float16' ? 0.5 : 1) - written)
  }
  const [first] = missing.keys()
  if (first === undefined) return
  const next = 'Make room, pass --cache-dir with a folder on another disk, or keep features as float16.'
  await requireSpace(dirname(first.target), neededBytes, 'The store of region features', next)
}

async function buildOnce(
  plan: StorePlan,
  source: RegionSource,
  {dtype, signal, onProgress}: StoreOptions,
): Promise<void> {
  const {stage, target} = plan
  const onWait = (owner: string): void => {
    onProgress?.({stage: `${stage}: waiting for ${owner}`, doneBytes: 0, totalBytes: 1})
  }
  await withFileLock(
    storePart(target),
    async () => {
      if (readRegionImageIds(target) !== undefined) return
      await removeOldParts(target)
      try {
        const kept = dtype === 'float16' ? ('F16' as const) : ('F32' as const)
        await buildRegions(source, target, {stage, source: plan.source, dtype: kept, signal, onProgress})
      } catch (error) {
        // What is made of a damaged file is worth nothing; the mended file will have another fingerprint.
        if (error instanceof FormatError) await removePart(target)
        throw error
      }
    },
    {signal, onWait},
  )
}

async function removePart(target: string): Promise<void> {
  await rm(storePart(target), {force: true})
  await rm(storeJournal(target), {force: true})
}

const oldAfterMs = 24 * 3600 * 1000

// Parts of stores whose source has changed since would lie there for ever. A day: others may be at work.
async function removeOldParts(target: string): Promise<void> {
  const folder = dirname(target)
  const own = basename(storePart(target))
  const family = own.slice(0, own.lastIndexOf('-') + 1)
  for (const name of await readdir(folder)) {
    if (!name.startsWith(family) || name.startsWith(own) || !name.includes('.safetensors.part')) continue
    const path = join(folder, name)
    const {mtimeMs} = await stat(path).catch(() => ({mtimeMs: Infinity}))
    if (Date.now() - mtimeMs > oldAfterMs) await rm(path, {force: true})
  }
}
