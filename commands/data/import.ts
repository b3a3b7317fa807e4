import {Flags} from '@oclif/core'
import {BaseCommand} from '../../src/base-command.js'
import {importData, type ImportResult} from '../../src/data/import/import.js'
import {boxForms} from '../../src/data/import/rows.js'

export default class DataImport extends BaseCommand<typeof DataImport> {
  static override summary = 'Make a data set of your own annotations and region features.'
  static override description =
    'Annotations are JSON Lines {image, width, height, phrase, box, split, category?}, or COCO JSON whose annotations ' +
    'have a phrase (or phrases) and a split. Features are a TSV of bottom-up attention, a folder of ' +
    '<image>.safetensors with features [N, 2048] and boxes [N, 4], or one of <image>.npy as the 12-in-1 extractor ' +
    'writes them (read without running what is pickled in them). All faulty rows are listed. Use the result with ' +
    '--dataset own.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> --annotations mine.jsonl --features features.tsv --output data/mine',
    '<%= config.bin %> train --data-root data/mine --dataset own --set model=tiny --output-dir checkpoints/mine',
  ]

  static override flags = {
    annotations: Flags.string({
      required: true,
      helpValue: 'FILE',
      description: 'JSON Lines, or COCO JSON (.json).',
    }),
    features: Flags.string({
      required: true,
      helpValue: 'FILE|DIR',
      description: 'Features of the detected boxes.',
    }),
    'annotated-features': Flags.string({
      helpValue: 'FILE|DIR',
      description:
        'Features of the annotated boxes, for training; without it training sees the detected ones alone.',
    }),
    output: Flags.directory({
      char: 'o',
      required: true,
      helpValue: 'DIR',
      description: 'Data root to write to.',
    }),
    boxes: Flags.option({
      options: boxForms,
      default: 'xyxy' as const,
      description: 'Boxes of JSON Lines: two corners, or corner and size.',
    })(),
    force: Flags.boolean({description: 'Replace a data set that was imported before.'}),
  }

  async run(): Promise<ImportResult> {
    const {annotations, features, 'annotated-features': annotatedFeatures, output, boxes, force} = this.flags
    const bar = this.progressBar({label: 'Importing', unit: 'images'})
    const result = await importData({
      ...{annotations, features, annotatedFeatures, output, boxes, force, signal: this.interrupt},
      onProgress: ({doneBytes, totalBytes}) => {
        bar.update(doneBytes, totalBytes)
      },
    }).finally(() => {
      bar.stop()
    })
    const splits = Object.entries(result.splits).filter(([, {refs}]) => refs > 0)
    this.log(`${result.output}: ${result.images} images; use it with --dataset own`)
    for (const [split, {refs, expressions}] of splits)
      this.log(`${split}: ${refs} refs, ${expressions} sentences`)
    return result
  }
}
