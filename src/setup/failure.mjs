/**
 * A set-up step failed in a way the user can do something about. Plain JavaScript, because set-up runs before
 * anything is installed or built; `python-environment.ts` turns it into the program's own error family.
 */
export class SetupFailure extends Error {
  /**
   * @param {string} message one sentence: what failed and where
   * @param {{next?: string, exitCode?: 1 | 5 | 6, details?: readonly string[]}} [more] exit code 5 is the
   *   environment, 6 the network, 1 anything else; `details` are the last lines that the failed program printed
   */
  constructor(message, {next, exitCode = 5, details = []} = {}) {
    super(message)
    this.name = 'SetupFailure'
    this.next = next
    this.exitCode = exitCode
    this.details = details
  }
}

/**
 * Shows a failure on stderr and sets the exit code; for programs that run before the command line is built.
 *
 * @param {unknown} error
 */
export function showFailure(error) {
  if (!(error instanceof SetupFailure)) throw error
  for (const line of error.details) process.stderr.write(`    ${line}\n`)
  process.stderr.write(`Error: ${error.message}\n`)
  if (error.next !== undefined) process.stderr.write(`Next: ${error.next}\n`)
  process.exitCode = error.exitCode
}
