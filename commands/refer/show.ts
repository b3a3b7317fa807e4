import {BaseCommand} from '../../src/base-command.js'
import {printable} from '../../src/errors.js'
import {refArgs, refFlags} from '../../src/refer/flags.js'
import {readRef, type RefDetails} from '../../src/refer/ref.js'
import {table} from '../../src/ui/table.js'

export default class ReferShow extends BaseCommand<typeof ReferShow> {
  static override summary = 'Show a ref: its sentences, category, box, image and split.'
  static override description = 'Reads the annotations alone: neither Python nor region features are needed.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> 12 --data-root data/refer',
    '<%= config.bin %> <%= command.id %> 12 --data-root data/refer --dataset refcocog --json',
  ]

  static override args = refArgs
  static override flags = refFlags

  async run(): Promise<RefDetails> {
    const {'data-root': dataRoot, dataset, 'split-by': splitBy} = this.flags
    const ref = await readRef({dataRoot, dataset, splitBy, refId: this.args.ref, signal: this.interrupt})
    this.log(describe(ref))
    return ref
  }
}

/** Text from the data set is shown without control characters: a terminal would obey them. */
function describe({
  dataset,
  splitBy,
  refId,
  annId,
  split,
  category,
  image,
  box,
  sentences,
}: RefDetails): string {
  const picture = image.file ?? image.fileName ?? 'without a file name'
  return table([
    ['ref', `${refId} of ${dataset} (${splitBy}), annotation ${annId}`],
    ['split', printable(split)],
    ['category', `${printable(category.name ?? 'unnamed')} (${category.id})`],
    ['image', `${image.id}, ${image.width} x ${image.height}, ${printable(picture, 300)}`],
    ['box', box.map((side) => side.toFixed(2)).join(', ')],
    ...sentences.map(({sentId, text}) => [`sentence ${sentId}`, printable(text, 500)]),
  ])
}
