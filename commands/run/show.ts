import {Args} from '@oclif/core'
import {BaseCommand} from '../../src/base-command.js'
import {showRun, type ShownRun} from '../../src/run/show.js'
import {runText} from '../../src/ui/run-text.js'

export default class RunShow extends BaseCommand<typeof RunShow> {
  static override summary = 'Show how a training run went, and its settings with where each came from.'

  static override examples = ['<%= config.bin %> <%= command.id %> checkpoints/demo']

  static override args = {
    run: Args.string({required: true, description: 'Folder of a training run.'}),
  }

  async run(): Promise<ShownRun> {
    const shown = await showRun(this.args.run)
    this.log(runText(shown.summary, shown.run))
    return shown
  }
}
