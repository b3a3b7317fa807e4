import {Flags} from '@oclif/core'
import {stringify} from 'yaml'
import {BaseCommand} from '../../src/base-command.js'
import {configFlags, configSourceFlags} from '../../src/config/flags.js'
import {dataFields} from '../../src/config/data.js'
import {loadConfig, type LoadedConfig} from '../../src/config/load.js'
import {trainingFields} from '../../src/config/training.js'
import {table} from '../../src/ui/table.js'

type Shown = Pick<LoadedConfig, 'model' | 'data' | 'training'> & {readonly origin?: LoadedConfig['origin']}

export default class ConfigShow extends BaseCommand<typeof ConfigShow> {
  static override summary = 'Show the configuration that a command would use, defaults filled in.'
  static override description = 'Defaults, file, --set and flags are laid over each other in this order.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> --config refcoco.yaml --set training.lr=3e-5',
    '<%= config.bin %> <%= command.id %> --set model=bert_base_6layer_6conect --origin',
  ]

  static override flags = {
    ...configSourceFlags,
    origin: Flags.boolean({description: 'Say where each value comes from.'}),
    ...configFlags(dataFields),
    ...configFlags(trainingFields),
  }

  async run(): Promise<Shown> {
    const {config: file, set, origin: withOrigin, ...flags} = this.flags
    const {model, data, training, origin} = await loadConfig({file, set, flags})
    const sections = {model, data, training}
    this.log(
      withOrigin
        ? originTable(sections, origin)
        : stringify(sections, {flowCollectionPadding: false}).trimEnd(),
    )
    return {...sections, ...(withOrigin ? {origin} : {})}
  }
}

/** One row a value: key, value, origin. */
function originTable(sections: Omit<Shown, 'origin'>, origin: LoadedConfig['origin']): string {
  const values = Object.entries(sections).flatMap(([section, keys]) =>
    Object.entries(keys ?? {}).map(
      ([key, value]: [string, unknown]) => [`${section}.${key}`, JSON.stringify(value)] as const,
    ),
  )
  return table([
    ['key', 'value', 'origin'],
    ...values.map(([key, value]) => [key, value, origin[key] ?? 'default']),
  ])
}
