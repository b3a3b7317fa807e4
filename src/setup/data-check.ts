import {existsSync, statSync} from 'node:fs'
import {datasetLayout, datasetSplits, type DatasetLayout} from '../data/datasets.js'
import type {Check} from './doctor.js'

/** Which data sets lie in a data root; one that is there only in part is named with what it lacks. */
export function dataCheck(dataRoot: string): Check {
  const check = {name: 'data root', required: true}
  if (!isFolder(dataRoot)) {
    const advice =
      'Name the folder that holds refcoco+/ and the features, or make one: `vilbert-ts data synth`.'
    return {...check, ok: false, value: `${dataRoot} is not a folder`, advice}
  }
  const layouts = Object.entries(datasetSplits).flatMap(([dataset, bySplitter]) =>
    Object.keys(bySplitter).map((splitBy) => datasetLayout(dataRoot, dataset, splitBy)),
  )
  const present = layouts.filter((layout) => existsSync(layout.refsFile))
  const broken = present.map(missingPart).find((file) => file !== undefined)
  if (present.length > 0 && broken === undefined) {
    const names = present.map(({dataset, splitBy}) => `${dataset} (${splitBy})`)
    return {...check, ok: true, value: `${names.join(', ')} at ${dataRoot}`, advice: null}
  }
  const advice =
    broken === undefined
      ? `There is no data set, such as ${layouts[0]?.refsFile ?? ''}.`
      : `Put ${broken} there.`
  return {...check, ok: false, value: broken === undefined ? 'no data set' : `${broken} is missing`, advice}
}

/** The annotated boxes are needed for training only, so they are not asked for. */
function missingPart({instancesFile, detectedLmdb}: DatasetLayout): string | undefined {
  return [instancesFile, detectedLmdb].find((file) => !existsSync(file))
}

function isFolder(folder: string): boolean {
  return statSync(folder, {throwIfNoEntry: false})?.isDirectory() === true
}
