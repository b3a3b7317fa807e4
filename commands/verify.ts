import {Args, Flags} from '@oclif/core'
import {BaseCommand} from '../src/base-command.js'
import {namedModel} from '../src/checkpoint/named-model.js'
import {FormatError} from '../src/errors.js'
import {verificationText} from '../src/ui/verification-text.js'
import {verifyKinds} from '../src/verify/kinds.js'
import {verifyPaths, type Verification} from '../src/verify/verify.js'

export default class Verify extends BaseCommand<typeof Verify> {
  static override summary =
    'Check files of weights, data and configurations, without running anything in them.'
  static override description =
    'Reads each file whole and strictly: its form, its numbers, the checksums of the JSON beside it. A folder stands ' +
    'for the files in it. Ends with exit code 4 if anything is bad.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> paddle_model_19.pdparams --config bert_base_6layer_6conect',
    '<%= config.bin %> <%= command.id %> data/refcoco+ checkpoints/run --json',
    '<%= config.bin %> <%= command.id %> download.bin --as archive',
  ]

  static override args = {
    paths: Args.string({required: true, multiple: true, description: 'Files or folders.'}),
  }

  static override flags = {
    as: Flags.option({
      options: verifyKinds,
      description: 'What the files are, where their names and contents do not tell.',
    })(),
    config: Flags.string({
      helpValue: 'FILE|PRESET',
      description: 'The model that weights have to fit, and whose features LMDBs have to hold.',
    }),
  }

  async run(): Promise<Verification[]> {
    const {as, config} = this.flags
    const bar = this.progressBar({label: 'checking', unit: 'files'})
    const found = await verifyPaths({
      paths: this.args.paths,
      as,
      config: config === undefined ? undefined : await namedModel(config),
      signal: this.interrupt,
      onProgress: (done, total) => {
        bar.update(done, total)
      },
    }).finally(() => {
      bar.stop()
    })
    this.log(verificationText(found))
    if (found.some(({ok}) => !ok))
      process.exitCode = new FormatError('E_VERIFY', 'Some files are bad.').exitCode
    return found
  }
}
