import {Flags} from '@oclif/core'
import {BaseCommand} from '../src/base-command.js'
import {configFlags, configSourceFlags} from '../src/config/flags.js'
import {dataFields} from '../src/config/data.js'
import {loadConfig} from '../src/config/load.js'
import {scoringFields} from '../src/config/precision.js'
import {GateError} from '../src/errors.js'
import {readIdList} from '../src/data/id-list.js'
import {ablations, type EvaluateResult} from '../src/model/events.js'
import {modelSource, requiredDataRoot} from '../src/model/from-config.js'
import {exportBar} from '../src/ui/export-bar.js'
import {followRun} from '../src/ui/follow-run.js'
import {prepareBar} from '../src/ui/prepare-bar.js'
import {Vilbert} from '../src/vilbert.js'

export default class Eval extends BaseCommand<typeof Eval> {
  static override summary = 'Measure accuracy on a split.'
  static override description =
    'The region of the highest logit counts as right when its IoU with the box that is meant is above 0.5.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> --data-root data/synth --from-pretrained checkpoints/demo/best.pdparams',
    '<%= config.bin %> <%= command.id %> --data-root DIR --config model.json --from-pretrained FILE.pdparams --split testA --results testA.json',
  ]

  static override flags = {
    ...configSourceFlags,
    ...configFlags(dataFields),
    ...configFlags(scoringFields),
    'from-pretrained': Flags.string({
      required: true,
      aliases: ['from', 'weights'],
      helpValue: 'FILE',
      description: 'Checkpoint to evaluate.',
    }),
    split: Flags.string({
      default: 'val',
      helpValue: 'val|testA|testB|test|train',
      description: 'Split to evaluate.',
    }),
    'batch-size': Flags.integer({
      default: 32,
      min: 1,
      aliases: ['batch'],
      description: 'Expressions at once.',
    }),
    results: Flags.string({
      helpValue: 'FILE',
      description: 'Write a row for each sentence: [{id, target, IOU}].',
    }),
    logits: Flags.boolean({
      dependsOn: ['results'],
      description: 'Add sent_id, ref_id and the logits of the regions to the rows.',
    }),
    nproc: Flags.integer({default: 1, min: 1, description: 'Processes on CPUs that share the split.'}),
    devices: Flags.string({
      helpValue: 'cpu|gpu:N,N',
      description: 'cpu, or GPUs that share the split, such as gpu:0,1.',
    }),
    ablate: Flags.option({
      options: ablations,
      description:
        'Take something away to see what the model relies on: text gives each image a phrase of another; image gives ' +
        'it the features of another, with its own boxes; location tells of each box the place of another box of the ' +
        'image; order shuffles the words.',
    })(),
    'ablate-seed': Flags.integer({
      dependsOn: ['ablate'],
      min: 0,
      description: 'Seed of what --ablate puts in the place; none: 0.',
    }),
    exclude: Flags.string({
      helpValue: 'FILE',
      description: 'Leave out the sentences whose ids are in FILE, one a line.',
    }),
    'exclude-by': Flags.option({
      options: ['sent', 'ref'] as const,
      dependsOn: ['exclude'],
      description: 'Whether those are sent_ids (when not said), or ref_ids of which all sentences go.',
    })(),
    'min-accuracy': Flags.custom<number>({
      helpValue: 'X',
      description: 'Fail with exit code 8 when accuracy (0 to 1) is lower.',
      parse: (input) => Promise.resolve(Number(input)),
    })(),
  }

  async run(): Promise<EvaluateResult> {
    const {
      config: file,
      set,
      python,
      split,
      engine,
      precision,
      results,
      logits,
      ablate,
      'ablate-seed': ablateSeed,
      exclude: idFile,
      'exclude-by': by = 'sent',
      nproc,
      devices,
      'batch-size': batchSize,
      ...flags
    } = this.flags
    const exclude = idFile === undefined ? undefined : {by, ids: await readIdList(idFile)}
    const {model, data} = await loadConfig({file, set, flags})
    const preparing = prepareBar(this.progressBar.bind(this))
    const bar = this.progressBar({label: `Evaluating ${split}`, unit: 'expressions'})
    await using vilbert = await Vilbert.open({python})
    const run = vilbert.evaluate({
      model: modelSource(model, flags['from-pretrained'], data),
      data: {...data, dataRoot: requiredDataRoot(data), onPrepareProgress: preparing.update},
      split,
      batchSize,
      engine,
      precision,
      results,
      logits,
      ablate,
      ablateSeed,
      exclude,
      nproc,
      devices,
      signal: this.interrupt,
    })
    const exporting = exportBar(this.progressBar.bind(this), preparing)
    return this.#judge(await followRun(run, preparing, bar, exporting))
  }

  /** Shows the figures and holds them against the accuracy that was asked for. */
  #judge(result: EvaluateResult): EvaluateResult {
    const {
      accuracy,
      correct,
      total,
      split,
      ablate,
      excluded,
      engineNote,
      secondsTotal,
      expressionsPerSecond,
    } = result
    if (engineNote !== null) this.note(engineNote)
    if (excluded !== null) this.#tellExcluded(excluded)
    const what = ablate === null ? split : `${split} without its ${ablate}`
    this.log(`${what}: accuracy ${(100 * accuracy).toFixed(2)} % (${correct} of ${total} sentences)`)
    this.log(`${secondsTotal.toFixed(1)} s, ${expressionsPerSecond.toFixed(0)} expressions/s`)
    const wanted = this.flags['min-accuracy']
    if (wanted !== undefined && !(accuracy >= wanted))
      throw new GateError(`Accuracy on ${split} is ${accuracy.toFixed(4)}, below the ${wanted} asked for.`)
    return result
  }

  #tellExcluded({by, expressions, unknownIds}: NonNullable<EvaluateResult['excluded']>): void {
    this.note(`Left out ${expressions} sentences by their ${by}_id.`)
    if (unknownIds.length === 0) return
    const shown = unknownIds.slice(0, 5).join(', ')
    const more = unknownIds.length > 5 ? ', …' : ''
    this.warn(`The data have no ${by}_id ${shown}${more} (${unknownIds.length} of those to leave out).`)
  }
}
