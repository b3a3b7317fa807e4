import {Args, Flags} from '@oclif/core'
import {BaseCommand} from '../../src/base-command.js'
import {convertCheckpoint, convertDtypes, type ConvertResult} from '../../src/checkpoint/convert.js'
import type {CheckOutcome} from '../../src/checkpoint/metadata.js'
import {namedModel} from '../../src/checkpoint/named-model.js'
import {conversionText} from '../../src/ui/checkpoint-text.js'

type Converted = ConvertResult & {readonly check: CheckOutcome | null}

export default class CheckpointConvert extends BaseCommand<typeof CheckpointConvert> {
  static override summary =
    'Convert a checkpoint between Paddle, safetensors, JSON metadata and from PyTorch.'
  static override description =
    'The ending of OUT says the form: .pdparams (stock paddle.load reads it), .safetensors, or .json with a ' +
    '.safetensors beside it. Beside every output stands a JSON with the SHA-256 of each tensor, the configuration and ' +
    'the history. OUT appears when it is whole: a conversion that is killed leaves the old file.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> paddle_model_19.pdparams model.safetensors',
    '<%= config.bin %> <%= command.id %> best.pdparams best.json --in-place',
    '<%= config.bin %> <%= command.id %> pytorch_model_8.bin start.pdparams --config bert_base_6layer_6conect --check',
    '<%= config.bin %> <%= command.id %> best.pdparams small.safetensors --dtype bfloat16 --rec-only',
  ]

  static override args = {
    input: Args.string({required: true, description: 'Checkpoint of any form; its content tells which.'}),
    output: Args.string({required: true, description: 'File to write: .pdparams, .safetensors or .json.'}),
  }

  static override flags = {
    dtype: Flags.option({options: convertDtypes, description: 'Type for floating-point numbers.'})(),
    'rec-only': Flags.boolean({description: 'Keep only what referring expressions need.'}),
    'in-place': Flags.boolean({description: 'Write only a .json that points into the input.'}),
    'hash-source': Flags.boolean({
      description: 'Write the SHA-256 of the whole input into the JSON even if it is larger than 256 MiB.',
    }),
    check: Flags.boolean({
      description:
        'Run both files on a fixed batch (in Python) and write the largest difference into the JSON.',
    }),
    config: Flags.string({
      helpValue: 'FILE|PRESET',
      description: 'The model, where no JSON beside the input says it.',
    }),
  }

  async run(): Promise<Converted> {
    const {dtype, config: model, check, python} = this.flags
    const config = model === undefined ? undefined : await namedModel(model)
    const bar = this.progressBar({label: 'writing', unit: 'bytes'})
    const converted = await convertCheckpoint({
      ...this.args,
      dtype,
      config,
      recOnly: this.flags['rec-only'],
      inPlace: this.flags['in-place'],
      ...(this.flags['hash-source'] ? {hashSource: true} : {}),
      signal: this.interrupt,
      onProgress: (done, total) => {
        bar.update(done, total)
      },
    }).finally(() => {
      bar.stop()
    })
    const outcome = check ? await this.#check(converted, {config, python}) : null
    const result = {...converted, check: outcome}
    this.log(conversionText(result))
    return result
  }

  /** Python is only asked for where its proof is wanted. */
  async #check(converted: ConvertResult, options: CheckOptions): Promise<CheckOutcome> {
    const {checkConversion} = await import('../../src/checkpoint/check-conversion.js')
    return checkConversion(converted, {...options, signal: this.interrupt})
  }
}

type CheckOptions = {
  readonly config: Awaited<ReturnType<typeof namedModel>> | undefined
  readonly python: string | undefined
}
