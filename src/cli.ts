#!/usr/bin/env node
import {Config, Errors, run, settings} from '@oclif/core'
import {fileURLToPath} from 'node:url'
import {didYouMean} from './did-you-mean.js'
import {printable} from './errors.js'
import {rewriteSeedFlags} from './seed-flags.js'
import {errorText, reportError} from './ui/error-report.js'

settings.enableAutoTranspile = false
process.stderr.on('error', ignoreClosedPipe)
await main(process.argv.slice(2))

/** Runs a command; failures that no command has shown (such as an unknown command) are shown here. */
async function main(typed: readonly string[]): Promise<void> {
  try {
    const {argv, note} = rewriteSeedFlags(typed[0] === 'help' ? [...typed.slice(1), '--help'] : typed)
    if (note !== undefined) process.stderr.write(`${note}\n`)
    const config = await Config.load(fileURLToPath(import.meta.url))
    suggestCommand(argv, config)
    await run(argv, config)
  } catch (error) {
    process.exit(error instanceof Errors.ExitError ? error.oclif.exit : show(error, typed))
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
  throw new Errors.CLIError(`There is no command "${printable(typed)}".`, {
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

/** A reader that went away (`… 2>&1 | head`) is no failure of ours; oclif does the same for stdout. */
function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error
}
