import {Config} from '@oclif/core/config'
import {CLIError, ExitError} from '@oclif/core/errors'
import {run} from '@oclif/core/run'
import {settings} from '@oclif/core/settings'
import {didYouMean} from './did-you-mean.js'
import {printable} from './errors.js'
import {packageRoot} from './paths.js'
import {rewriteSeedFlags} from './seed-flags.js'
import {errorText, reportError} from './ui/error-report.js'

/** Runs a command; failures that no command has shown (such as an unknown command) are shown here. */
export async function runCommandLine(typed: readonly string[]): Promise<void> {
  settings.enableAutoTranspile = false
  try {
    const {argv, note} = rewriteSeedFlags(typed[0] === 'help' ? [...typed.slice(1), '--help'] : typed)
    if (note !== undefined) process.stderr.write(`${note}\n`)
    const config = await Config.load(packageRoot)
    suggestCommand(argv, config)
    await run(argv, config)
  } catch (error) {
    process.exit(error instanceof ExitError ? error.oclif.exit : show(error, typed))
  }
}

/** oclif says only that a command was not found; the nearest one is what the user needs. */
function suggestCommand(argv: readonly string[], config: Config): void {
  const firstFlag = argv.findIndex((word) => word.startsWith('-'))
  const words = firstFlag < 0 ? argv : argv.slice(0, firstFlag)
  const typed = words.join(' ')
  const ids = words.map((_, index) => words.slice(0, index + 1).join(':'))
  if (words.length === 0 || ids.some((id) => config.commandIDs.includes(id))) return
  if (config.topics.some((topic) => topic.name === words.join(':'))) return
  const known = config.commandIDs.map((id) => id.replaceAll(':', ' '))
  const meant = didYouMean(words.slice(0, 2).join(' '), known) ?? didYouMean(words[0] ?? '', known)
  throw new CLIError(`There is no command "${printable(typed)}".`, {
    exit: 2,
    suggestions: [
      meant === undefined
        ? `Run \`${config.bin} --help\` to see the commands.`
        : `Did you mean \`${config.bin} ${meant}\`?`,
    ],
  })
}

/** The same forms as a command's own failures; returns the exit code. */
function show(error: unknown, argv: readonly string[]): number {
  if (argv.includes('--json')) {
    process.stdout.write(`${JSON.stringify({error: reportError(error)}, null, 2)}\n`)
  } else process.stderr.write(errorText(error, {verbose: argv.includes('--verbose')}))
  return reportError(error).exitCode
}
