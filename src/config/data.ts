import {z} from 'zod'
import {datasetNames, splitterNames, splittersOf} from '../data/datasets.js'
import {featuresDtypes} from '../data/features-dtype.js'
import {addRules, valueAt, type Rule} from './rules.js'

const dataShape = {
  dataRoot: z.string().min(1).nullable().default(null).describe('Folder in the REFER layout.'),
  dataset: z.enum(datasetNames).default('refcoco+').describe('Data set below the data root.'),
  splitBy: z
    .enum(splitterNames)
    .nullable()
    .default(null)
    .describe('Who made the splits; none: unc, for refcocog umd.'),
  cacheDir: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe('Folder for prepared data; none: .vilbert-ts in the data root.'),
  featuresDtype: z
    .enum(featuresDtypes)
    .default('float32')
    .describe('Numbers in which features are kept on the disk; float16 takes half of the space.'),
}

/** The data settings one by one: what flags are made from. */
export const dataFields = z.strictObject(dataShape)

/** Which referring expressions are used and where they lie. */
export const dataConfigSchema = addRules(dataFields, [knownSplitter])
  .describe('Which referring expressions are used and where they lie.')
  .transform((data) => ({...data, splitBy: data.splitBy ?? splittersOf(data.dataset)[0] ?? ''}))

/** Section `data` of a configuration, with every default filled in. */
export type DataConfig = z.output<typeof dataConfigSchema>

/** Each data set was split by some people only. */
function knownSplitter(...[config, report]: Parameters<Rule>): void {
  const dataset = datasetNames.find((name) => name === valueAt(config, 'dataset'))
  const splitBy = valueAt(config, 'splitBy')
  if (dataset === undefined || typeof splitBy !== 'string') return
  const known = splittersOf(dataset)
  if (known.includes(splitBy)) return
  report(['splitBy'], `must be ${known.join(' or ')} for ${dataset}, it is ${splitBy}`)
}
