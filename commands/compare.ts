import {resolve} from 'node:path'
import {Args, Flags} from '@oclif/core'
import {BaseCommand} from '../src/base-command.js'
import {compareRuns, type CompareNumbers} from '../src/report/compare-runs.js'
import {reportData, reportFlags} from '../src/report/flags.js'
import {writeComparePage} from '../src/report/write-page.js'
import {evaluationBar} from '../src/ui/evaluation-bar.js'
import {prepareBar} from '../src/ui/prepare-bar.js'
import {compareText} from '../src/ui/report-text.js'
import {Vilbert} from '../src/vilbert.js'

export default class Compare extends BaseCommand<typeof Compare> {
  static override summary = 'Say whether one model is better than another on the same sentences.'
  static override description =
    'Gives the difference in accuracy (B less A) with a 95 % interval, the exact McNemar test, and the sentences that only one of them gets right.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> checkpoints/before checkpoints/after --html changes.html',
    '<%= config.bin %> <%= command.id %> a.json b.json --data-root DIR --split testA --json',
  ]

  static override args = {
    a: Args.string({required: true, description: 'Folder of a training run, or a result file.'}),
    b: Args.string({required: true, description: 'What is held against it.'}),
  }

  static override flags = {
    ...reportFlags,
    split: Flags.string({default: 'val', helpValue: 'val|testA|testB', description: 'Split to compare on.'}),
    html: Flags.string({helpValue: 'FILE', description: 'Write a page with the sentences that changed.'}),
  }

  async run(): Promise<CompareNumbers & {readonly html: string | null}> {
    const {python, split, html: page, images, gallery, 'batch-size': batchSize, ...flags} = this.flags
    const preparing = prepareBar(this.progressBar.bind(this))
    const evaluating = evaluationBar(this.progressBar.bind(this))
    await using vilbert = await Vilbert.open({python})
    const work = compareRuns(vilbert, {
      ...this.args,
      data: reportData(flags),
      split,
      batchSize,
      onPrepareProgress: preparing.update,
      signal: this.interrupt,
    })
    try {
      for await (const event of work) evaluating.update(event)
    } finally {
      preparing.stop()
      evaluating.stop()
    }
    const compared = await work.result()
    const html = page === undefined ? null : resolve(page)
    if (html !== null) {
      await writeComparePage(compared, {output: html, images, gallery, python, signal: this.interrupt})
    }
    this.log(compareText(compared))
    if (html !== null) this.log(`\n${html}`)
    return {...compared.numbers, html}
  }
}
