import {writeOutput} from '../data/write-output.js'
import type {ComparedRuns} from './compare-runs.js'
import {comparePage, shownChanges} from './html/compare-page.js'
import {reportPage, shownSentences} from './html/report-page.js'
import type {MeasuredRun} from './measure-run.js'
import {smallPictures, type Pictures} from './pictures.js'
import {picturesFolder} from './run-split.js'

/** Where a page is written, and which pictures it shows. */
export type PageOptions = {
  /** File to write. */
  readonly output: string
  /** Folder of the image files. @default `images/mscoco/images/train2014` below the data root */
  readonly images?: string | undefined
  /** Sentences to show: of each split of a report, or of a comparison in all. @default 40 */
  readonly gallery?: number | undefined
  /** Python interpreter that makes the pictures small. @default the one that `vilbert-ts setup` made */
  readonly python?: string | undefined
  readonly signal?: AbortSignal | undefined
}

const galleryDefault = 40

/**
 * Writes the page of a measured run: one file below 5 MB that opens from disk and loads nothing.
 * @throws DataError E_OUTPUT where it cannot be written
 */
export async function writeReportPage(run: MeasuredRun, options: PageOptions): Promise<void> {
  const shown = shownSentences(run, options.gallery ?? galleryDefault)
  const pictures = await picturesOf(
    run,
    shown.map(({sentence}) => sentence.imageId),
    options,
  )
  await writeOutput(options.output, reportPage(run, shown, pictures))
}

/** Writes the page of a comparison, of the same kind. */
export async function writeComparePage(compared: ComparedRuns, options: PageOptions): Promise<void> {
  const shown = shownChanges(compared, options.gallery ?? galleryDefault)
  const pictures = await picturesOf(
    compared,
    shown.map(({a}) => a.imageId),
    options,
  )
  await writeOutput(options.output, comparePage(compared, shown, pictures))
}

async function picturesOf(
  {world, data}: Pick<MeasuredRun, 'world' | 'data'>,
  imageIds: readonly number[],
  {images, python, signal}: PageOptions,
): Promise<Pictures> {
  return await smallPictures(world, {
    folder: images ?? picturesFolder(data.dataRoot),
    imageIds,
    python,
    signal,
  })
}
