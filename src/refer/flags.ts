import {Args, Errors, Flags} from '@oclif/core'
import {datasetNames, splitterNames} from '../data/datasets.js'
import {printable} from '../errors.js'

/** The argument that names a ref. */
export const refArgs = {
  ref: Args.custom<number>({parse: (input) => Promise.resolve(refIdOf(input))})({
    required: true,
    description: 'Number of the ref (ref_id).',
  }),
}

/** The flags that say in which data set it is. */
export const refFlags = {
  'data-root': Flags.string({required: true, helpValue: 'DIR', description: 'Folder with the data sets.'}),
  dataset: Flags.option({
    options: datasetNames,
    default: 'refcoco+',
    description: 'Data set that the ref is in.',
  })(),
  'split-by': Flags.option({
    options: splitterNames,
    description: "Who split it; by default the data set's usual one.",
  })(),
}

/** oclif's own integer argument fails as if it were a mistake of the program. */
function refIdOf(input: string): number {
  const refId = /^\d+$/.test(input) ? Number(input) : NaN
  if (Number.isSafeInteger(refId)) return refId
  throw new Errors.CLIError(`The ref "${printable(input)}" is not a whole number`, {exit: 2})
}
