import {existsSync, statSync} from 'node:fs'
import {join, resolve} from 'node:path'

import {z} from 'zod'

import {DataError, printable} from '../errors.js'
import {readOwnJson, writeFileAtomic} from '../files.js'
import {lmdbFile} from '../formats/lmdb.js'
import {cannotWrite, isWriteRefusal, openCacheFolder} from './cache-folder.js'
import {datasetLayout, ownDataset} from './datasets.js'
import type {DatasetLayout} from './datasets.js'
import {countSplits, readExpressions, writeExpressions} from './expressions.js'
import type {Expressions, SplitCounts} from './expressions.js'
import {combine, Fingerprints} from './fingerprint.js'
import {openImported} from './import/imported.js'
import {throwIfInterrupted} from '../breathe.js'
import type {OnPrepareProgress} from './progress.js'
import {lmdbRegions, storeRegions} from './region-source.js'
import {ensureStores} from './stores.js'
import type {StorePlan} from './stores.js'
import type {FeaturesDtype} from './features-dtype.js'

/** Which data set {@link prepareData} reads, and where it keeps what it made of it. */
export type PrepareOptions = {
  /** Folder with `<dataset>/refs(<splitBy>).p`, `<dataset>/instances.json` and the LMDB folders. */
  readonly dataRoot: string
  readonly dataset: string
  /** @default the usual one of the data set: unc, for refcocog umd */
  readonly splitBy?: string | undefined
  /** @default `<dataRoot>/.vilbert-ts` */
  readonly cacheDir?: string | undefined
  /** Whether the features of the annotated boxes are needed too, as in training. */
  readonly annotated: boolean
  /** In which numbers the features are kept. @default 'float32' */
  readonly featuresDtype?: FeaturesDtype | undefined
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: OnPrepareProgress | undefined
}

/** Where the trusted forms of a data set are. */
export type PreparedData = {
  readonly dataset: string
  readonly splitBy: string
  readonly expressionsFile: string
  readonly detectedFile: string
  readonly annotatedFile: string | null
  /** What those two were made of, such as an LMDB: messages name it, because nobody knows the files of a cache. */
  readonly detectedSource: string
  readonly annotatedSource: string
  /** Counts of every split the data set has. */
  readonly splits: Readonly<Record<string, SplitCounts>>
  /** Changes with the content of any of the files. */
  readonly fingerprint: string
}

/** Raise it when a trusted form changes: older ones are then built anew. */
const formVersion = '1'

/**
 * Reads a data set's files into forms that Python can trust, or finds them in the cache by the files' content.
 * Checks that every ref has its annotation, image and regions.
 * @throws DataError, FormatError (exit 4) naming file and field; InterruptedError when `signal` is aborted
 */
export async function prepareData(options: PrepareOptions): Promise<PreparedData> {
  const layout = datasetLayout(options.dataRoot, options.dataset, options.splitBy)
  if (layout.dataset === ownDataset) return await prepareImported(options)
  checkFiles(options.dataRoot, layout, options.annotated)
  return await withCacheFolder(options, async (folder) => prepareIn(folder, layout, options))
}

async function withCacheFolder<T>(
  {dataRoot, cacheDir}: PrepareOptions,
  work: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = await openCacheFolder(dataRoot, cacheDir)
  try {
    return await work(resolve(folder))
  } catch (error) {
    throw isWriteRefusal(error) ? cannotWrite(folder, error) : error
  }
}

// Imported data are trusted forms already, of float32; float16 is made of them.
async function prepareImported(options: PrepareOptions): Promise<PreparedData> {
  const imported = await openImported(options.dataRoot, options.annotated)
  const {featuresDtype: dtype = 'float32', signal, onProgress} = options
  if (dtype === 'float32') return imported
  return await withCacheFolder(options, async (folder) => {
    const {detectedFile, annotatedFile, fingerprint} = imported
    const target = (kind: string): string =>
      join(folder, `${kind}-${ownDataset}-${storeKey(fingerprint, dtype)}.safetensors`)
    const plan = (kind: string, file: string): StorePlan => ({
      ...{stage: `${kind} regions`, target: target(kind), source: fingerprint},
      open: () => storeRegions(file),
    })
    const plans = [
      plan('detected', detectedFile),
      ...(annotatedFile === null ? [] : [plan('annotated', annotatedFile)]),
    ]
    await ensureStores(plans, {dtype, signal, onProgress})
    return {
      ...imported,
      detectedFile: target('detected'),
      annotatedFile: annotatedFile === null ? null : target('annotated'),
      fingerprint: combine(fingerprint, dtype),
    }
  })
}

// The name of a float32 store is what it was before there were others.
function storeKey(source: string, dtype: FeaturesDtype): string {
  return combine(formVersion, source, ...(dtype === 'float32' ? [] : [dtype]))
}

/**
 * The counts of a split that must have refs.
 * @throws DataError E_SPLIT listing the splits that have some
 */
export function requireSplit(prepared: PreparedData, split: string): SplitCounts {
  const counts = Object.hasOwn(prepared.splits, split) ? prepared.splits[split] : undefined
  if (counts !== undefined && counts.expressions > 0) return counts
  const filled = Object.entries(prepared.splits).filter(([, {expressions}]) => expressions > 0)
  const which = `${prepared.dataset} (${prepared.splitBy})`
  throw new DataError(`The split "${printable(split)}" of ${which} has no refs.`, {
    code: 'E_SPLIT',
    next: `Splits with refs: ${filled.map(([name]) => name).join(', ') || 'none'}.`,
  })
}

function checkFiles(dataRoot: string, layout: DatasetLayout, annotated: boolean): void {
  if (!existsSync(dataRoot)) {
    const message = `The data root ${printable(dataRoot, 300)} does not exist.`
    throw new DataError(message, {
      code: 'E_MISSING_FILE',
      next: 'Pass --data-root with the folder that holds the data.',
    })
  }
  const wanted: [string, string][] = [
    ['refs file', layout.refsFile],
    ['instances file', layout.instancesFile],
    ['LMDB of detected regions', lmdbFile(layout.detectedLmdb)],
  ]
  if (annotated) wanted.push(['LMDB of annotated regions', lmdbFile(layout.annotatedLmdb)])
  for (const [what, path] of wanted) {
    if (existsSync(path)) continue
    throw new DataError(`The ${what} of ${layout.dataset} is missing: ${printable(path, 300)}.`, {
      code: 'E_MISSING_FILE',
      next: `Put it there, or get it with \`vilbert-ts data download ${layout.dataset}\`.`,
    })
  }
}

async function prepareIn(
  folder: string,
  layout: DatasetLayout,
  options: PrepareOptions,
): Promise<PreparedData> {
  const keys = await fingerprintAll(folder, layout, options)
  const {dataset, splitBy} = layout
  const {featuresDtype: dtype = 'float32'} = options
  const fingerprint = combine(
    formVersion,
    dataset,
    splitBy,
    keys.refs,
    keys.instances,
    keys.detected,
    keys.annotated ?? '',
    ...(dtype === 'float32' ? [] : [dtype]),
  )
  const expressionsKey = combine(formVersion, dataset, splitBy, keys.refs, keys.instances)
  const store = (kind: string, key: string): string =>
    join(folder, `${kind}-${dataset}-${storeKey(key, dtype)}.safetensors`)
  const prepared = {
    dataset,
    splitBy,
    expressionsFile: join(folder, `expressions-${dataset}-${splitBy}-${expressionsKey}.json`),
    detectedFile: store('detected', keys.detected),
    annotatedFile: keys.annotated === undefined ? null : store('annotated', keys.annotated),
    detectedSource: layout.detectedLmdb,
    annotatedSource: layout.annotatedLmdb,
    fingerprint,
  }
  const receiptFile = join(folder, `prepared-${dataset}-${splitBy}-${fingerprint}.json`)
  const receipt = await readReceipt(receiptFile, prepared)
  if (receipt !== undefined) return {...prepared, splits: receipt.splits}
  const splits = await buildAll(layout, prepared, keys, options)
  await writeReceipt(receiptFile, prepared, splits)
  return {...prepared, splits}
}

type Keys = {
  readonly refs: string
  readonly instances: string
  readonly detected: string
  readonly annotated: string | undefined
}

type Files = Omit<PreparedData, 'splits'>

async function fingerprintAll(folder: string, layout: DatasetLayout, options: PrepareOptions): Promise<Keys> {
  const {signal, onProgress} = options
  const detectedFile = lmdbFile(layout.detectedLmdb)
  const annotatedFile = lmdbFile(layout.annotatedLmdb)
  const files = [
    layout.refsFile,
    layout.instancesFile,
    detectedFile,
    ...(options.annotated ? [annotatedFile] : []),
  ]
  const totalBytes = files.reduce((sum, file) => sum + statSync(file).size, 0)
  let doneBytes = 0
  const onBytes = (bytes: number): void => {
    doneBytes += bytes
    onProgress?.({stage: 'fingerprints', doneBytes, totalBytes})
  }
  const fingerprints = await Fingerprints.open(folder)
  throwIfInterrupted(signal)
  const keys = {
    refs: await fingerprints.ofFile(layout.refsFile, {signal, onBytes}),
    instances: await fingerprints.ofFile(layout.instancesFile, {signal, onBytes}),
    detected: await fingerprints.ofLmdb(detectedFile, {signal, onBytes}),
    annotated: options.annotated ? await fingerprints.ofLmdb(annotatedFile, {signal, onBytes}) : undefined,
  }
  await fingerprints.save()
  return keys
}

const receiptSchema = z.object({
  splits: z.record(z.string(), z.object({refs: z.number(), expressions: z.number(), images: z.number()})),
  sizesBytes: z.array(z.number()),
})
type Receipt = z.infer<typeof receiptSchema>

// A receipt says that these files were built and checked together; their sizes tell whether they still are whole.
async function readReceipt(receiptFile: string, files: Files): Promise<Receipt | undefined> {
  const receipt = receiptSchema.safeParse(await readOwnJson(receiptFile))
  if (!receipt.success) return undefined
  const sizes = sizesOf(files)
  return receipt.data.sizesBytes.every((size, index) => size === sizes[index]) ? receipt.data : undefined
}

async function writeReceipt(receiptFile: string, files: Files, splits: Receipt['splits']): Promise<void> {
  await writeFileAtomic(receiptFile, `${JSON.stringify({splits, sizesBytes: sizesOf(files)})}\n`)
}

function sizesOf(files: Files): number[] {
  const paths = [files.expressionsFile, files.detectedFile, files.annotatedFile]
  return paths.map((path) => (path === null ? 0 : (statSync(path, {throwIfNoEntry: false})?.size ?? -1)))
}

async function buildAll(
  layout: DatasetLayout,
  files: Files,
  keys: Keys,
  options: PrepareOptions,
): Promise<Record<string, SplitCounts>> {
  const {signal, onProgress} = options
  const source = {refs: keys.refs, instances: keys.instances}
  const expressions = await buildExpressions(layout, files.expressionsFile, source, options)
  const plans: StorePlan[] = [
    {
      ...{stage: 'detected regions', target: files.detectedFile, source: keys.detected},
      open: () => lmdbRegions(layout.detectedLmdb),
    },
  ]
  if (files.annotatedFile !== null && keys.annotated !== undefined) {
    plans.push({
      ...{stage: 'annotated regions', target: files.annotatedFile, source: keys.annotated},
      open: () => lmdbRegions(layout.annotatedLmdb),
    })
  }
  const dtype = options.featuresDtype ?? 'float32'
  const [detected, annotated] = await ensureStores(plans, {dtype, signal, onProgress})
  checkCoverage(expressions, layout.splits, detected, layout.detectedLmdb)
  if (annotated !== undefined) checkCoverage(expressions, ['train'], annotated, layout.annotatedLmdb)
  return countSplits(layout, expressions.refs)
}

async function buildExpressions(
  layout: DatasetLayout,
  target: string,
  source: Expressions['source'],
  options: PrepareOptions,
): Promise<Expressions> {
  const totalBytes = statSync(layout.refsFile).size + statSync(layout.instancesFile).size
  options.onProgress?.({stage: 'expressions', doneBytes: 0, totalBytes})
  const expressions = await readExpressions(layout, source, options.signal)
  await writeExpressions(target, expressions)
  options.onProgress?.({stage: 'expressions', doneBytes: totalBytes, totalBytes})
  return expressions
}

const shownImages = 5

// Found now, not hours into the training.
function checkCoverage(
  expressions: Expressions,
  splits: readonly string[],
  imageIds: ReadonlySet<number> | undefined,
  lmdb: string,
): void {
  const used = expressions.refs.filter((ref) => splits.includes(ref.split)).map((ref) => ref.imageId)
  const missing = [...new Set(used)].filter((id) => imageIds?.has(id) !== true)
  if (missing.length === 0) return
  const shown = missing.slice(0, shownImages).join(', ')
  const more = missing.length > shownImages ? `, … (${missing.length} in all)` : ''
  const which = missing.length === 1 ? `Image ${shown} has` : `Images ${shown}${more} have`
  throw new DataError(`${which} refs but no regions in ${printable(lmdb, 300)}.`, {
    code: 'E_REGIONS_MISSING',
    next: 'Use the LMDB that belongs to this data set, or get it again.',
  })
}
