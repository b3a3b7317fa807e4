import {Flags} from '@oclif/core'
import {datasetNames, splitterNames} from './datasets.js'

/** Which data set a command of `data` is about, and where it keeps what it builds. */
export const datasetFlags = {
  'data-root': Flags.directory({
    required: true,
    helpValue: 'DIR',
    description: 'Folder in the REFER layout.',
  }),
  dataset: Flags.option({
    options: datasetNames,
    default: 'refcoco+',
    description: 'Data set below the data root.',
  })(),
  'split-by': Flags.option({
    options: splitterNames,
    description: 'Who made the splits; without it the usual one.',
  })(),
  'cache-dir': Flags.string({
    helpValue: 'DIR',
    description: 'Folder for prepared data; without it .vilbert-ts in the data root.',
  }),
}
