import {join, resolve} from 'node:path'
import {Args, Flags} from '@oclif/core'
import {BaseCommand} from '../src/base-command.js'
import {reportData, reportFlags} from '../src/report/flags.js'
import {measureRun, type ReportNumbers} from '../src/report/measure-run.js'
import {writeReportPage} from '../src/report/write-page.js'
import {evaluationBar} from '../src/ui/evaluation-bar.js'
import {prepareBar} from '../src/ui/prepare-bar.js'
import {reportText} from '../src/ui/report-text.js'
import {Vilbert} from '../src/vilbert.js'

export default class Report extends BaseCommand<typeof Report> {
  static override summary = 'Say how good a trained model is, and what is in its way.'
  static override description =
    'Writes one HTML file that opens from disk: accuracy with intervals, what the detector and what the choice costs, accuracy by category, phrase and box, calibration, learning curves, and sentences with their boxes. The best checkpoint is evaluated where RUN/eval does not hold its answers yet.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> checkpoints/demo',
    '<%= config.bin %> <%= command.id %> checkpoints/demo --split val,testA --json',
  ]

  static override args = {
    run: Args.string({required: true, description: 'Folder of a training run.'}),
  }

  static override flags = {
    ...reportFlags,
    split: Flags.string({
      helpValue: 'val,testA,testB',
      description: 'Splits to look at, with commas between them; none: all but train.',
    }),
    output: Flags.string({
      char: 'o',
      helpValue: 'FILE',
      description: 'File to write; none: report.html in the folder of the run.',
    }),
  }

  async run(): Promise<ReportNumbers & {readonly html: string}> {
    const {python, split, output, images, gallery, 'batch-size': batchSize, ...flags} = this.flags
    const preparing = prepareBar(this.progressBar.bind(this))
    const evaluating = evaluationBar(this.progressBar.bind(this))
    await using vilbert = await Vilbert.open({python})
    const work = measureRun(vilbert, {
      run: this.args.run,
      data: reportData(flags),
      splits: split?.split(',').map((name) => name.trim()),
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
    const measured = await work.result()
    const html = resolve(output ?? join(this.args.run, 'report.html'))
    await writeReportPage(measured, {output: html, images, gallery, python, signal: this.interrupt})
    this.log(reportText(measured.numbers))
    this.log(`\n${html}`)
    return {...measured.numbers, html}
  }
}
