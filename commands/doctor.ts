import {Flags} from '@oclif/core'
import {BaseCommand} from '../src/base-command.js'
import {EnvironmentError} from '../src/errors.js'
import {diagnose, type Check, type Diagnosis} from '../src/setup/doctor.js'
import {table} from '../src/ui/table.js'

export default class Doctor extends BaseCommand<typeof Doctor> {
  static override summary =
    'Check everything that the program needs, and say what to do about what is missing.'
  static override description = 'Exits with 5 when something fails that the program cannot work without.'
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --data-root data/refer --json',
  ]

  static override flags = {
    'data-root': Flags.string({helpValue: 'DIR', description: 'Look for data sets here too.'}),
  }

  async run(): Promise<Diagnosis> {
    const {python, 'data-root': dataRoot} = this.flags
    const diagnosis = await diagnose({python, dataRoot, signal: this.interrupt})
    this.log(table(diagnosis.checks.map((check) => [mark(check), check.name, check.value])))
    for (const {name, advice} of diagnosis.checks) if (advice !== null) this.log(`\n${name}: ${advice}`)
    if (!diagnosis.ok) process.exitCode = new EnvironmentError('').exitCode
    return diagnosis
  }
}

/** `!` is worth a look, `✗` stops the program. */
function mark({ok, required}: Check): string {
  if (ok) return '✓'
  return required ? '✗' : '!'
}
