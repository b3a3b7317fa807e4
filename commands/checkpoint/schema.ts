import {BaseCommand} from '../../src/base-command.js'
import {metadataJsonSchema} from '../../src/checkpoint/metadata.js'

export default class CheckpointSchema extends BaseCommand<typeof CheckpointSchema> {
  static override summary = 'Print the JSON Schema of the JSON beside checkpoints.'
  static override description = 'That JSON says what a checkpoint holds and where it comes from.'
  static override examples = ['<%= config.bin %> <%= command.id %> > checkpoint.schema.json']

  async run(): Promise<Record<string, unknown>> {
    const schema = metadataJsonSchema()
    this.log(JSON.stringify(schema, null, 2))
    return Promise.resolve(schema)
  }
}
