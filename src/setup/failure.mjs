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
