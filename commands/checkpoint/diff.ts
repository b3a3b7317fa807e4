import {Args, Errors, Flags} from '@oclif/core'
import {BaseCommand} from '../../src/base-command.js'
import {diffCheckpoints, type CheckpointDiff} from '../../src/checkpoint/diff.js'
import {GateError, printable} from '../../src/errors.js'
import {diffText} from '../../src/ui/checkpoint-text.js'

export default class CheckpointDiffCommand extends BaseCommand<typeof CheckpointDiffCommand> {
  static override summary =
    'Compare two checkpoints: names, types, shapes, largest difference of each tensor.'
  static override description =
    'Both may be of any form. Ends with exit code 0 when they are equal and with 8 when they differ.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> best.pdparams last.pdparams',
    '<%= config.bin %> <%= command.id %> model.safetensors half.safetensors --tolerance 1e-3',
  ]

  static override args = {
    a: Args.string({required: true, description: 'Checkpoint of any form.'}),
    b: Args.string({required: true, description: 'The one to compare it with.'}),
  }

  static override flags = {
    tolerance: Flags.custom<number>({
      default: 0,
      helpValue: 'NUMBER',
      description: 'Numbers that are no further apart count as equal.',
      parse: (text) => Promise.resolve(positive(text)),
    })(),
  }

  async run(): Promise<CheckpointDiff> {
    const bar = this.progressBar({label: 'comparing', unit: 'tensors'})
    const diff = await diffCheckpoints({
      ...this.args,
      tolerance: this.flags.tolerance,
      signal: this.interrupt,
      onProgress: (done, total) => {
        bar.update(done, total)
      },
    }).finally(() => {
      bar.stop()
    })
    this.log(diffText(diff))
    if (!diff.equal) process.exitCode = new GateError('The checkpoints differ.').exitCode
    return diff
  }
}

/** Zero is fine: then every bit has to be the same. */
function positive(text: string): number {
  const value = Number(text)
  if (text.trim() !== '' && value >= 0) return value
  throw new Errors.CLIError(`--tolerance must be a number of at least 0, it is "${printable(text)}"`)
}
