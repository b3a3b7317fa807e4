import {Flags} from '@oclif/core'
import {BaseCommand} from '../../src/base-command.js'
import {datasetFlags} from '../../src/data/flags.js'
import {dataStats, type DataStats as Stats} from '../../src/data/stats.js'
import {writeOutput} from '../../src/data/write-output.js'
import {prepareBar} from '../../src/ui/prepare-bar.js'
import {statsPage} from '../../src/ui/stats-page.js'
import {statsText} from '../../src/ui/stats-text.js'

export default class DataStats extends BaseCommand<typeof DataStats> {
  static override summary = 'Count what a data set holds: refs, words, regions, boxes, leaks between splits.'
  static override description =
    'The ceiling is the accuracy of a model that always chose the best of the detected regions. Leaks are images ' +
    'and sentences that two splits have in common. Python is not needed.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> --data-root data/synth',
    '<%= config.bin %> <%= command.id %> --data-root data/refer --dataset refcocog --html stats.html --json',
  ]

  static override flags = {
    ...datasetFlags,
    html: Flags.string({helpValue: 'FILE', description: 'Write a page with tables and histograms too.'}),
  }

  async run(): Promise<Stats> {
    const {'data-root': dataRoot, dataset, 'split-by': splitBy, 'cache-dir': cacheDir, html} = this.flags
    const bar = prepareBar(this.progressBar.bind(this))
    const signal = this.interrupt
    const stats = await dataStats({
      dataRoot,
      dataset,
      splitBy,
      cacheDir,
      signal,
      onProgress: bar.update,
    }).finally(bar.stop)
    if (html !== undefined) await writeOutput(html, statsPage(stats))
    this.log(statsText(stats))
    return stats
  }
}
