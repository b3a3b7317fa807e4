import {Args} from '@oclif/core'
import {BaseCommand} from '../../src/base-command.js'
import {validateConfigFile, type ConfigValidation} from '../../src/config/load.js'
import {ConfigProblemsError, problemLine} from '../../src/config/problems.js'

export default class ConfigValidate extends BaseCommand<typeof ConfigValidate> {
  static override summary = 'Check a configuration file and show everything that is wrong with it.'
  static override description =
    'Reads model files such as bert_base_6layer_6conect.json, files with the sections model, data and training, ' +
    'and vlbert_tasks.yml. Ends with exit code 3 if anything is wrong.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> refcoco.yaml',
    '<%= config.bin %> <%= command.id %> model.json --json',
  ]

  static override args = {
    file: Args.string({required: true, description: 'Configuration file, YAML or JSON.'}),
  }

  async run(): Promise<Omit<ConfigValidation, 'config'>> {
    const {ok, file, kind, problems} = await validateConfigFile(this.args.file)
    if (!ok) process.exitCode = new ConfigProblemsError(problems).exitCode
    for (const problem of problems) this.log(problemLine(problem))
    if (ok) this.log(`${file} is valid (${kindNames[kind ?? 'file']}).`)
    return {ok, file, kind, problems}
  }
}

const kindNames = {
  model: 'a model configuration',
  file: 'a configuration of vilbert-ts',
  'seed-tasks': 'a vlbert_tasks.yml, of which TASK4 is used',
} as const
