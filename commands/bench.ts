import {Flags} from '@oclif/core'
import {BaseCommand} from '../src/base-command.js'
import {benchProfiles, benchSections, type BenchResult} from '../src/bench/result.js'
import {dataFields} from '../src/config/data.js'
import {configFlags, configSourceFlags} from '../src/config/flags.js'
import {loadConfig} from '../src/config/load.js'
import {scoringFields} from '../src/config/precision.js'
import {writeFileAtomic} from '../src/files.js'
import {benchedModel, realData} from '../src/model/from-config.js'
import {benchChart} from '../src/ui/bench-chart.js'
import {benchText} from '../src/ui/bench-text.js'
import {Vilbert} from '../src/vilbert.js'

export default class Bench extends BaseCommand<typeof Bench> {
  static override summary = 'Measure how fast this machine evaluates and trains, against the published way.'
  static override description =
    'The sides take turns in one run, on all cores, and medians are told. The baseline is a re-enactment of what the ' +
    'published code does: 20 tokens and 100 regions whatever there is, all heads, base64 and a list search for every ' +
    'item, AdamW over all parameters. Without --config it is the full model with random weights.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> --svg bench.svg',
    '<%= config.bin %> <%= command.id %> --only eval --profiles sparse --rounds 5',
    '<%= config.bin %> <%= command.id %> --only eval --from-pretrained best.pdparams --data-root DIR',
  ]

  static override flags = {
    ...configSourceFlags,
    ...configFlags(dataFields),
    ...configFlags(scoringFields.pick({engine: true})),
    'from-pretrained': Flags.string({
      aliases: ['from', 'weights'],
      helpValue: 'FILE',
      description: 'Checkpoint to measure; with --data-root also how often bf16 chooses the region of fp32.',
    }),
    split: Flags.string({
      default: 'val',
      helpValue: 'val|testA|testB|test',
      description: 'Split for the agreement of bf16 with fp32.',
    }),
    only: Flags.option({
      options: benchSections,
      multiple: true,
      delimiter: ',',
      description: 'What to measure. [default: all]',
    })(),
    profiles: Flags.option({
      options: benchProfiles,
      multiple: true,
      delimiter: ',',
      description: 'Regions of an image: 5 to 30, 36, or 100. [default: all]',
    })(),
    rounds: Flags.integer({default: 3, min: 1, description: 'Turns of each side, after one to warm up.'}),
    'batch-size': Flags.integer({
      min: 1,
      aliases: ['batch'],
      description: 'Expressions at once. [default: 32 in eval, 16 in train]',
    }),
    recompute: Flags.boolean({default: false, description: 'Train as by `train --recompute`.'}),
    baseline: Flags.boolean({default: true, allowNo: true, description: 'Measure the published way too.'}),
    'compare-cmd': Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      helpValue: 'COMMAND',
      description: 'Command of the shell to time between the rounds (can be given again).',
    }),
    svg: Flags.string({helpValue: 'FILE', description: 'Draw a bar chart.'}),
  }

  async run(): Promise<BenchResult> {
    const {config: file, set, python, split, 'batch-size': batchSize, svg, ...flags} = this.flags
    const {model, data} = await loadConfig({file, set, flags})
    const bar = this.progressBar({label: 'Measuring', unit: 'rounds'})
    await using vilbert = await Vilbert.open({python})
    const run = vilbert.bench({
      model: benchedModel(model, flags['from-pretrained'], data),
      data: flags['from-pretrained'] === undefined ? undefined : realData(data),
      split,
      sections: flags.only ?? benchSections,
      profiles: flags.profiles ?? benchProfiles,
      engine: flags.engine,
      rounds: flags.rounds,
      evalBatchSize: batchSize ?? 32,
      trainBatchSize: batchSize ?? 16,
      recompute: flags.recompute,
      withBaseline: flags.baseline,
      outside: flags['compare-cmd'] ?? [],
      signal: this.interrupt,
    })
    try {
      for await (const {what, done, total} of run) bar.update(done, total, what)
    } finally {
      bar.stop()
    }
    const result = await run.result()
    this.log(benchText(result))
    if (svg !== undefined) await writeFileAtomic(svg, benchChart(result))
    return result
  }
}
