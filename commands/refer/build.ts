import {BaseCommand} from '../../src/base-command.js'
import {findPython} from '../../src/bridge/python-environment.js'
import {buildMask, type BuildMaskResult} from '../../src/refer/build.js'

export default class ReferBuild extends BaseCommand<typeof ReferBuild> {
  static override summary = 'Build the mask extension and check that it works.'
  static override description =
    'Runs make for the compiled mask functions (Cython and C), then has each of them compute something. Only masks ' +
    'need it: training and evaluation do not. Running it again builds only what has changed.'

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --python /usr/bin/python3.11',
  ]

  async run(): Promise<BuildMaskResult> {
    const python = await findPython({python: this.flags.python})
    this.note('Building the mask extension')
    const result = await buildMask({python, signal: this.interrupt})
    this.log(`${result.changed ? 'built' : 'up to date'}: ${result.library}`)
    this.log(`working: ${result.functions.join(', ')}`)
    return result
  }
}
