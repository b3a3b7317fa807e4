import {Flags} from '@oclif/core'
import {BaseCommand} from '../../src/base-command.js'
import {Bridge} from '../../src/bridge/bridge.js'
import {findPython} from '../../src/bridge/python-environment.js'
import {synthDatasets, synthesize, type SynthResult} from '../../src/data/synth.js'
import {Run} from '../../src/model/run.js'

export default class DataSynth extends BaseCommand<typeof DataSynth> {
  static override summary = 'Make a small synthetic data set to try everything with.'
  static override description =
    'Writes a data root as RefCOCO+ has it: pictures of coloured shapes, phrases that single out one shape by ' +
    'colour, size, place or relation, and region features computed from the pixels. The same seed gives the ' +
    'same data. testA speaks of round things, testB of those with straight edges.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> --output data/synth --images 400 --seed 1',
    '<%= config.bin %> <%= command.id %> --output data/synth-g --images 50 --dataset refcocog --json',
  ]

  static override flags = {
    output: Flags.directory({
      char: 'o',
      required: true,
      helpValue: 'DIR',
      description: 'Folder to make; empty or absent.',
    }),
    images: Flags.integer({default: 400, min: 4, max: 100_000, description: 'Number of pictures.'}),
    seed: Flags.integer({default: 1, min: 0, description: 'Seed of everything that is random.'}),
    dataset: Flags.option({
      options: synthDatasets,
      default: 'refcoco+' as const,
      description: 'Names and splits to imitate.',
    })(),
    force: Flags.boolean({description: 'Replace a folder that this command made earlier.'}),
  }

  async run(): Promise<SynthResult> {
    const {output, images, seed, dataset, force, python} = this.flags
    await using bridge = new Bridge({python: await findPython(python === undefined ? {} : {python})})
    const run = new Run(synthesize(bridge, {output, images, seed, dataset, force, signal: this.interrupt}))
    const bar = this.progressBar({label: 'Making pictures', unit: 'pictures'})
    try {
      for await (const {done, total} of run) bar.update(done, total)
    } finally {
      bar.stop()
    }
    return this.#show(await run.result())
  }

  /** What the user wants to know next: where it is and how much. */
  #show(result: SynthResult): SynthResult {
    const splits = Object.entries(result.expressions).map(([split, count]) => `${split} ${count}`)
    this.log(`${result.output}: ${result.images} pictures, ${result.refs} refs`)
    this.log(`expressions: ${splits.join(', ')}`)
    return result
  }
}
