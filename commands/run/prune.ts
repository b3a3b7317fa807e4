import {createInterface} from 'node:readline/promises'
import {Args, Errors, Flags} from '@oclif/core'
import {BaseCommand} from '../../src/base-command.js'
import {sizeText} from '../../src/data/download/disk-space.js'
import {printable} from '../../src/errors.js'
import {runFolders} from '../../src/run/list.js'
import {planPrune, prune, type PrunePlan} from '../../src/run/prune.js'

export default class RunPrune extends BaseCommand<typeof RunPrune> {
  static override summary = 'Remove old states of training runs.'
  static override description =
    'Keeps the newest state, that of the best validation, and best.* and last.*. The only state that can be resumed from ' +
    'never goes, nor does anything of a run that is being trained. Asks before it removes; in --json it can only be told by --yes.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> checkpoints/demo --dry-run',
    '<%= config.bin %> <%= command.id %> checkpoints --keep 2 --yes',
  ]

  static override args = {
    folder: Args.string({required: true, description: 'A run, or a folder that runs are below.'}),
  }

  static override flags = {
    keep: Flags.integer({default: 1, min: 1, description: 'Newest states to keep of each run.'}),
    'dry-run': Flags.boolean({default: false, description: 'Say what would go, and remove nothing.'}),
    yes: Flags.boolean({char: 'y', description: 'Do not ask.'}),
  }

  async run(): Promise<{readonly isDryRun: boolean; readonly runs: readonly PrunePlan[]}> {
    const {keep, 'dry-run': isDryRun} = this.flags
    const runs: PrunePlan[] = []
    for (const folder of await runFolders(this.args.folder)) runs.push(await planPrune(folder, keep))
    for (const plan of runs) this.#show(plan)
    const count = runs.reduce((sum, {removed}) => sum + removed.length, 0)
    if (count === 0) this.log('There is nothing to remove.')
    else if (!isDryRun) await this.#remove(runs)
    return {isDryRun, runs}
  }

  #show({folder, removed, freedBytes, skipped}: PrunePlan): void {
    const name = printable(folder, 300)
    if (skipped !== null) this.log(`${name}: nothing is removed, ${skipped}`)
    if (removed.length === 0) return
    this.log(`${name}: ${removed.length} to remove, ${sizeText(freedBytes)}`)
    for (const path of removed) this.log(`  ${printable(path, 300)}`)
  }

  async #remove(runs: readonly PrunePlan[]): Promise<void> {
    if (!this.flags.yes && !(await this.#isConfirmed())) {
      this.log('Nothing was removed.')
      return
    }
    for (const plan of runs) await prune(plan)
    this.log(`Removed; ${sizeText(runs.reduce((sum, {freedBytes}) => sum + freedBytes, 0))} are free.`)
  }

  async #isConfirmed(): Promise<boolean> {
    if (this.jsonEnabled() || !process.stdin.isTTY) {
      throw new Errors.CLIError('Nobody can be asked whether this may be removed.', {
        exit: 2,
        suggestions: ['Pass --yes to remove it, or --dry-run to look first.'],
      })
    }
    const terminal = createInterface({input: process.stdin, output: process.stderr})
    const answer = await terminal.question('Remove this? [y/N] ', {signal: this.interrupt})
    terminal.close()
    return /^y(es)?$/i.test(answer.trim())
  }
}
