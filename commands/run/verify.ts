import {Args} from '@oclif/core'
import {BaseCommand} from '../../src/base-command.js'
import {CheckpointError} from '../../src/errors.js'
import {verifyRun, type RunVerification} from '../../src/run/verify-run.js'
import {runVerificationText} from '../../src/ui/run-text.js'

export default class RunVerify extends BaseCommand<typeof RunVerify> {
  static override summary = 'Check that the files of a training run are whole and agree.'
  static override description =
    'Reads every tensor against its hash, the states against what resuming needs, the log against the states, and last ' +
    'and best against the states they are of. The exit code is 4 when something is wrong.'

  static override examples = ['<%= config.bin %> <%= command.id %> checkpoints/demo']

  static override args = {
    run: Args.string({required: true, description: 'Folder of a training run.'}),
  }

  async run(): Promise<RunVerification> {
    const bar = this.progressBar({label: 'checking', unit: 'files'})
    const verification = await verifyRun(this.args.run, {
      signal: this.interrupt,
      onProgress: (done, total) => {
        bar.update(done, total)
      },
    }).finally(() => {
      bar.stop()
    })
    this.log(runVerificationText(verification))
    if (!verification.ok) process.exitCode = new CheckpointError('The run is bad.').exitCode
    return verification
  }
}
