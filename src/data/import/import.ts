import {existsSync, statSync} from 'node:fs'
import {mkdir, rename, rm} from 'node:fs/promises'
import {join, resolve} from 'node:path'

import {breathe} from '../../breathe.js'
import {DataError, printable} from '../../errors.js'
import {makeStagingFolder, removeLeftovers, sha256File, writeFileAtomic} from '../../files.js'
import {isFileName} from '../../formats/file-name.js'
import {datasetLayout, ownDataset} from '../datasets.js'
import {countSplits, writeExpressions} from '../expressions.js'
import type {ExpressionRef, Expressions, SplitCounts} from '../expressions.js'
import {combine} from '../fingerprint.js'
import type {OnPrepareProgress} from '../progress.js'
import {RegionWriter} from '../region-writer.js'
import {numberOf, openFeatures} from './features.js'
import type {FeatureSource, WantedImage} from './features.js'
import {importedFiles} from './imported.js'
import type {ImportReceipt} from './imported.js'
import {ImportProblems} from './problems.js'
import {readRows} from './rows.js'
import type {BoxForm, ImportRow} from './rows.js'

/** The files that {@link importData} makes a data set of. */
export type ImportOptions = {
  /** JSON Lines or COCO JSON. */
  readonly annotations: string
  /** TSV of bottom-up attention or a folder of safetensors: the regions that the model chooses from. */
  readonly features: string
  /** The same for the boxes that are meant; with them training sees these regions too, as the published recipe does. */
  readonly annotatedFeatures?: string | undefined
  /** Data root; the data set becomes `<output>/own`. */
  readonly output: string
  /** Of JSON Lines. @default 'xyxy' */
  readonly boxes?: BoxForm | undefined
  /** Replace a data set that was imported before. @default false */
  readonly force?: boolean | undefined
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: OnPrepareProgress | undefined
}

/** The data set that an import made, and how much is in it. */
export type ImportResult = {
  readonly output: string
  readonly dataset: string
  readonly splits: Readonly<Record<string, SplitCounts>>
  readonly images: number
}

/**
 * Makes a data set of own annotations and features that train, eval and predict take with `--dataset own`. It appears
 * only when it is whole.
 * @throws DataError E_IMPORT_ROWS listing every faulty row; FormatError (exit 4) for damaged features
 */
export async function importData(options: ImportOptions): Promise<ImportResult> {
  const root = resolve(options.output)
  const target = join(root, ownDataset)
  if (existsSync(target) && options.force !== true) {
    const message = `${printable(target, 300)} is there already.`
    throw new DataError(message, {code: 'E_OUTPUT', next: 'Pass --force to replace it, or another --output.'})
  }
  const problems = new ImportProblems()
  const rows = readRows(options.annotations, options.boxes ?? 'xyxy', problems)
  await breathe(options.signal)
  using detected = openFeatures(options.features)
  using annotated =
    options.annotatedFeatures === undefined ? undefined : openFeatures(options.annotatedFeatures)
  const images = collectImages(rows, problems)
  for (const [name, {where}] of images) {
    if (detected.find(name) === undefined) problems.add(where, `image "${printable(name)}" has no features`)
    if (annotated?.find(name) === undefined && annotated !== undefined)
      problems.add(where, `image "${printable(name)}" has no features of annotated boxes`)
  }
  problems.throwIfAny(options.annotations)
  await mkdir(root, {recursive: true})
  await removeLeftovers(root)
  const staging = await makeStagingFolder(target)
  try {
    const splits = await writeAll(staging, rows, images, {detected, annotated}, options)
    if (existsSync(target)) await rename(target, join(staging, 'replaced'))
    // The finished folder takes its name in one step.
    await rename(join(staging, ownDataset), target)
    return {output: root, dataset: ownDataset, splits, images: images.size}
  } finally {
    await rm(staging, {recursive: true, force: true})
  }
}

type NamedImage = WantedImage & {readonly where: string; readonly name: string}

// Where all names end in numbers that differ, as COCO's do, these are the ids; otherwise images are counted from 1.
function collectImages(rows: readonly ImportRow[], problems: ImportProblems): Map<string, NamedImage> {
  const images = new Map<string, Omit<NamedImage, 'imageId'>>()
  for (const {image: name, width, height, where} of rows) {
    const known = images.get(name)
    if (known === undefined) images.set(name, {name, width, height, where})
    else if (known.width !== width || known.height !== height) {
      const sizes = `${width} x ${height} here and ${known.width} x ${known.height} in ${known.where}`
      problems.add(where, `image "${printable(name)}" has ${sizes}`)
    }
  }
  const numbers = [...images.keys()].map(numberOf)
  const areIds = new Set(numbers).size === images.size && !numbers.includes(undefined)
  const numbered = [...images.values()].map((image, index) => ({
    ...image,
    imageId: (areIds ? numbers[index] : undefined) ?? index + 1,
  }))
  return new Map(numbered.sort((a, b) => a.imageId - b.imageId).map((image) => [image.name, image]))
}

async function writeAll(
  staging: string,
  rows: readonly ImportRow[],
  images: ReadonlyMap<string, NamedImage>,
  sources: {readonly detected: FeatureSource; readonly annotated: FeatureSource | undefined},
  options: ImportOptions,
): Promise<Readonly<Record<string, SplitCounts>>> {
  const folder = join(staging, ownDataset)
  await mkdir(folder)
  const source = await sha256File(options.annotations, {signal: options.signal})
  const expressions = expressionsOf(rows, images, `sha256:${source}`)
  const files = [importedFiles.expressions, importedFiles.detected, importedFiles.annotated]
  const [expressionsFile = '', detectedFile = '', annotatedFile = ''] = files.map((name) =>
    join(folder, name),
  )
  await writeExpressions(expressionsFile, expressions)
  await writeStore(detectedFile, 'detected regions', images, sources.detected, false, options)
  const hasAnnotated = sources.annotated !== undefined
  const second = sources.annotated ?? sources.detected
  await writeStore(annotatedFile, 'annotated regions', images, second, !hasAnnotated, options)
  await writeFileAtomic(join(folder, importedFiles.instances), outlinesOf(rows, expressions))
  const splits = countSplits(datasetLayout(options.output, ownDataset), expressions.refs)
  const paths = [expressionsFile, detectedFile, annotatedFile]
  const hashes = await Promise.all(paths.map((path) => sha256File(path, {signal: options.signal})))
  const [first = 0, middle = 0, last = 0] = paths.map((path) => statSync(path).size)
  const receipt: ImportReceipt = {
    schema: 'vilbert-ts/imported@1',
    fingerprint: combine(...hashes),
    splits,
    sizesBytes: [first, middle, last],
  }
  await writeFileAtomic(join(folder, importedFiles.receipt), `${JSON.stringify(receipt, undefined, 1)}\n`)
  return splits
}

// In COCO's form, as `refer mask` reads it. Rows and sentences have the same numbers.
function outlinesOf(rows: readonly ImportRow[], {refs}: Expressions): string {
  const annotations = refs.flatMap(({annId, imageId, sentences}) => {
    const segmentation = rows[sentences[0]?.sentId ?? -1]?.segmentation
    return segmentation === undefined ? [] : [{id: annId, image_id: imageId, segmentation}]
  })
  return `${JSON.stringify({annotations})}\n`
}

// Without features of the annotated boxes each image has its global region alone there, and training adds nothing.
async function writeStore(
  path: string,
  stage: string,
  images: ReadonlyMap<string, NamedImage>,
  source: FeatureSource,
  globalOnly: boolean,
  {signal, onProgress}: ImportOptions,
): Promise<void> {
  await using writer = await RegionWriter.open(path, {source: 'import', dtype: 'F32'})
  let doneImages = 0
  for (const {name, imageId, width, height} of images.values()) {
    const value = source.read(source.find(name) ?? name, {imageId, width, height})
    const none = {count: 0, boxes: new Float32Array(), features: new Float32Array()}
    await writer.add(globalOnly ? {...value, ...none} : value)
    onProgress?.({stage, doneBytes: ++doneImages, totalBytes: images.size})
    await breathe(signal)
  }
  await writer.finish()
}

// Phrases of one box of one image in one split are sentences of one ref.
function expressionsOf(
  rows: readonly ImportRow[],
  images: ReadonlyMap<string, NamedImage>,
  source: string,
): Expressions {
  const categories = new Map(
    [...new Set(rows.map((row) => row.category))].map((name, index) => [name, index + 1]),
  )
  const refs = new Map<string, ExpressionRef & {sentences: {sentId: number; text: string}[]}>()
  for (const [sentId, {image, box, split, category, phrase}] of rows.entries()) {
    const key = JSON.stringify([image, box, split, category])
    const ref = refs.get(key) ?? {
      ...{refId: refs.size, annId: refs.size + 1, imageId: images.get(image)?.imageId ?? 0},
      ...{categoryId: categories.get(category) ?? 0, split, box, sentences: []},
    }
    refs.set(key, ref)
    ref.sentences.push({sentId, text: phrase})
  }
  return {
    schema: 'vilbert-ts/expressions@1',
    dataset: ownDataset,
    splitBy: ownDataset,
    source: {refs: source, instances: source},
    categories: [...categories].map(([name, id]) => ({id, name})),
    images: [...images.values()].map(({imageId, name, width, height}) => ({
      id: imageId,
      width,
      height,
      fileName: isFileName(name) ? name : null,
    })),
    refs: [...refs.values()],
  }
}
