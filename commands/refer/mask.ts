import {Flags} from '@oclif/core'
import {BaseCommand} from '../../src/base-command.js'
import {Bridge} from '../../src/bridge/bridge.js'
import {findPython} from '../../src/bridge/python-environment.js'
import {refArgs, refFlags} from '../../src/refer/flags.js'
import {maskEnvironment} from '../../src/refer/folders.js'
import {writeMaskPicture, type MaskPictureResult} from '../../src/refer/mask-picture.js'
import {readRef} from '../../src/refer/ref.js'

export default class ReferMask extends BaseCommand<typeof ReferMask> {
  static override summary = "Write the mask of a ref's object as a PNG."
  static override description =
    'The picture has the size of the image: white inside the mask, black outside. ' +
    'Needs the mask extension: `<%= config.bin %> refer build`.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> 12 --data-root data/refer --output mask.png',
    '<%= config.bin %> <%= command.id %> 12 --data-root data/refer --dataset refcocog --json',
  ]

  static override args = refArgs
  static override flags = {
    ...refFlags,
    output: Flags.string({
      char: 'o',
      helpValue: 'FILE.png',
      description: 'PNG to write; by default ref-REF-mask.png in the current folder.',
    }),
  }

  async run(): Promise<MaskPictureResult> {
    const {'data-root': dataRoot, dataset, 'split-by': splitBy} = this.flags
    const {ref: refId} = this.args
    const signal = this.interrupt
    const ref = await readRef({dataRoot, dataset, splitBy, refId, signal})
    const output = this.flags.output ?? `ref-${refId}-mask.png`
    await using bridge = new Bridge({
      python: await findPython({python: this.flags.python}),
      env: maskEnvironment(),
    })
    const result = await writeMaskPicture(bridge, {dataRoot, ref, output, signal})
    this.log(`${output}: ${result.widthPx} x ${result.heightPx}, ${result.areaPx} pixels inside the mask`)
    return result
  }
}
