import {Flags} from '@oclif/core'
import {dataFields, type DataConfig} from '../config/data.js'
import {configFlags} from '../config/flags.js'
import type {ReportData} from './run-folder.js'

/** What `report` and `compare` both take. */
export const reportFlags = {
  ...configFlags(dataFields),
  'batch-size': Flags.integer({
    default: 32,
    min: 1,
    aliases: ['batch'],
    description: 'Expressions at once, where the model has to be run.',
  }),
  images: Flags.string({
    helpValue: 'DIR',
    description: 'Folder of the image files; none: images/mscoco/images/train2014 in the data root.',
  }),
  gallery: Flags.integer({
    default: 40,
    min: 0,
    max: 400,
    description: 'Sentences to show with their boxes; of a report, for each split.',
  }),
}

/** The data flags as the library takes them. */
export function reportData(flags: {
  readonly 'data-root'?: string | undefined
  readonly dataset?: DataConfig['dataset'] | undefined
  readonly 'split-by'?: string | undefined
  readonly 'cache-dir'?: string | undefined
  readonly 'features-dtype'?: DataConfig['featuresDtype'] | undefined
}): ReportData {
  return {
    dataRoot: flags['data-root'],
    dataset: flags.dataset,
    splitBy: flags['split-by'],
    cacheDir: flags['cache-dir'],
    featuresDtype: flags['features-dtype'],
  }
}
