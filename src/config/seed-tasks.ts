import {dirname, normalize} from 'node:path'
import {z} from 'zod'
import {addRules, valueAt, type Rule} from './rules.js'

const text = z.string().max(1000)
const count = z.int().min(1).max(1_000_000)
const rate = z.number().positive().max(10)

/** A task that is not read; its keys are only checked, so that a slip in the file still shows. */
const otherTask = z.strictObject({
  name: text.optional(),
  type: text.optional(),
  loss: text.optional(),
  task_id: z.int().min(0).optional(),
  dataroot: text.optional(),
  features_h5path1: text.optional(),
  features_h5path2: text.optional(),
  train_annotations_jsonpath: text.optional(),
  val_annotations_jsonpath: text.optional(),
  max_seq_length: count.optional(),
  max_region_num: count.optional(),
  batch_size: count.optional(),
  eval_batch_size: count.optional(),
  train_split: text.optional(),
  val_split: text.optional(),
  lr: rate.optional(),
  num_epoch: count.optional(),
})

/** Referring expressions; what cannot differ here must be what it is in the published file. */
const referringTask = addRules(
  otherTask.extend({
    name: z.enum(['refcoco', 'refcoco+', 'refcocog']),
    loss: z.literal('BCEWithLogitLoss').optional(),
    max_seq_length: z.literal(20).optional(),
    max_region_num: z.literal(100).optional(),
    train_split: z.literal('train').optional(),
    val_split: z.literal('val').optional(),
  }),
  [featuresInDataRoot],
)

/** The seed's `vlbert_tasks.yml`: all its tasks may be there, TASK4 is the one that is read. */
export const seedTasksSchema = z.strictObject({
  ...Object.fromEntries(Array.from({length: 100}, (_, id) => [`TASK${id}`, otherTask.optional()])),
  TASK4: referringTask,
})

/** The keys at a depth of the file, for "did you mean". */
export function seedTaskKeys(depth: number): readonly string[] {
  return depth === 0 ? Object.keys(seedTasksSchema.shape) : Object.keys(otherTask.shape)
}

/** The place of each value of TASK4 among our own settings. */
export const seedTaskTargets: Readonly<Record<string, string>> = {
  name: 'data.dataset',
  dataroot: 'data.dataRoot',
  lr: 'training.lr',
  batch_size: 'training.batchSize',
  eval_batch_size: 'training.evalBatchSize',
  num_epoch: 'training.epochs',
}

/** Features are found by name in the data root; a path to another place would be silently ignored. */
function featuresInDataRoot(...[task, report]: Parameters<Rule>): void {
  const dataRoot = valueAt(task, 'dataroot')
  if (typeof dataRoot !== 'string') return
  for (const key of ['features_h5path1', 'features_h5path2']) {
    const path = valueAt(task, key)
    if (typeof path !== 'string' || path === '' || dirname(normalize(path)) === normalize(`${dataRoot}/.`))
      continue
    report([key], `must lie in dataroot, which is ${dataRoot}`)
  }
}
