import {Flags} from '@oclif/core'
import {BaseCommand} from '../../src/base-command.js'
import {sizeText} from '../../src/data/download/disk-space.js'
import {featuresDtypes} from '../../src/data/features-dtype.js'
import {datasetFlags} from '../../src/data/flags.js'
import {packData, type PackResult} from '../../src/data/pack.js'
import {prepareBar} from '../../src/ui/prepare-bar.js'

export default class DataPack extends BaseCommand<typeof DataPack> {
  static override summary = 'Build the feature store that train and eval read, ahead of time.'
  static override description =
    'Reads refs, instances and the LMDBs once, checks every number, and writes files that can be mapped into memory. ' +
    'Train and eval do the same at their first start. A build that was stopped or killed goes on where it was. With ' +
    '--dtype float16 features take half of the space; train, eval and predict use them with --features-dtype ' +
    'float16. Python is not needed.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> --data-root data/synth',
    '<%= config.bin %> <%= command.id %> --data-root data/refer --dataset refcocog --dtype float16 --cache-dir /fast/cache',
  ]

  static override flags = {
    ...datasetFlags,
    dtype: Flags.option({
      options: featuresDtypes,
      default: 'float32' as const,
      description: 'Numbers in which features are kept.',
    })(),
  }

  async run(): Promise<PackResult> {
    const {'data-root': dataRoot, dataset, 'split-by': splitBy, 'cache-dir': cacheDir, dtype} = this.flags
    const bar = prepareBar(this.progressBar.bind(this))
    const result = await packData({
      ...{dataRoot, dataset, splitBy, cacheDir, featuresDtype: dtype, signal: this.interrupt},
      onProgress: bar.update,
    }).finally(bar.stop)
    for (const {kind, file, sizeBytes, images, regions} of result.stores) {
      this.log(`${kind}: ${images} images, ${regions} regions, ${sizeText(sizeBytes)}\t${file}`)
    }
    if (result.stores.length === 1)
      this.note('Without an LMDB of annotated regions it can be evaluated, not trained on.')
    return result
  }
}
