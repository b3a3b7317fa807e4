import {Args} from '@oclif/core'
import {BaseCommand} from '../../src/base-command.js'
import {jsonSchema, schemaNames, type SchemaName} from '../../src/config/json-schema.js'

export default class ConfigSchema extends BaseCommand<typeof ConfigSchema> {
  static override summary = 'Print the JSON Schema of configuration files.'
  static override description = 'Editors use it to complete and check YAML and JSON files.'
  static override examples = [
    {
      command: '<%= config.bin %> <%= command.id %> > vilbert.schema.json',
      description: 'Keep the schema for an editor.',
    },
    {
      command: '<%= config.bin %> <%= command.id %> training',
      description: 'See what can be set about training.',
    },
  ]

  static override args = {
    section: Args.custom<SchemaName>({
      description: 'What to describe: a whole file or one of its sections.',
      options: schemaNames,
      default: 'file',
    })(),
  }

  async run(): Promise<Record<string, unknown>> {
    const schema = jsonSchema(this.args.section ?? 'file')
    this.log(JSON.stringify(schema, null, 2))
    return Promise.resolve(schema)
  }
}
