import {Args, Flags} from '@oclif/core'
import {BaseCommand} from '../../src/base-command.js'
import {inspectCheckpoint, type Inspection} from '../../src/checkpoint/inspect.js'
import {inspectionText} from '../../src/ui/checkpoint-text.js'

export default class CheckpointInspect extends BaseCommand<typeof CheckpointInspect> {
  static override summary = 'Show what a checkpoint holds: tensors, configuration, where it comes from.'
  static override description =
    'Reads .pdparams, .pdopt, .safetensors, PyTorch files and the JSON of checkpoints by their content, runs nothing ' +
    'that they name, and needs no Python. Numbers are only read with --stats.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> checkpoints/run/best.pdparams',
    '<%= config.bin %> <%= command.id %> paddle_model_19.pdparams --stats --json',
  ]

  static override args = {
    file: Args.string({required: true, description: 'Checkpoint of any form.'}),
  }

  static override flags = {
    stats: Flags.boolean({description: 'Read every number: smallest, largest, mean, deviation, zeros, NaN.'}),
  }

  async run(): Promise<Inspection> {
    const {stats} = this.flags
    const bar = this.progressBar({label: 'reading', unit: 'bytes'})
    const inspection = await inspectCheckpoint({
      file: this.args.file,
      stats,
      ...(stats ? {signal: this.interrupt} : {}),
      onProgress: (done, total) => {
        bar.update(done, total)
      },
    }).finally(() => {
      bar.stop()
    })
    this.log(inspectionText(inspection))
    return inspection
  }
}
