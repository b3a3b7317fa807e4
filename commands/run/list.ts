import {Args} from '@oclif/core'
import {BaseCommand} from '../../src/base-command.js'
import {listRuns, type RunList as List} from '../../src/run/list.js'
import {runListText} from '../../src/ui/run-text.js'

export default class RunList extends BaseCommand<typeof RunList> {
  static override summary = 'List the training runs in a folder.'

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> DIR',
  ]

  static override args = {
    folder: Args.string({default: 'checkpoints', description: 'Folder that the runs are below.'}),
  }

  async run(): Promise<List> {
    const list = await listRuns(this.args.folder)
    this.log(runListText(list))
    return list
  }
}
