import {Command, Errors, Flags, type Interfaces} from '@oclif/core'
import {didYouMean} from './did-you-mean.js'
import {InterruptedError} from './errors.js'
import {Interrupt} from './interrupt.js'
import {errorText, reportError} from './ui/error-report.js'
import {progressBar, type ProgressBar, type ProgressOptions} from './ui/progress.js'

/** The parsed flags of a command, those that every command has included. */
export type CommandFlags<T extends typeof Command> = Interfaces.InferredFlags<
  (typeof BaseCommand)['baseFlags'] & T['flags']
>

/** The parsed arguments of a command. */
export type CommandArgs<T extends typeof Command> = Interfaces.InferredArgs<T['args']>

/**
 * What all commands share: parsed `this.flags` and `this.args`, `--json`, one way to show failures, exit codes,
 * and Ctrl-C as an AbortSignal. A command only says what to run and returns its result.
 */
export abstract class BaseCommand<T extends typeof Command> extends Command {
  static override enableJsonFlag = true

  static override baseFlags = {
    python: Flags.string({
      helpGroup: 'GLOBAL',
      helpValue: 'PATH',
      description: 'Python interpreter to use instead of the one that setup made.',
    }),
    verbose: Flags.boolean({
      helpGroup: 'GLOBAL',
      description: 'Show stack traces and Python tracebacks of failures.',
    }),
  }

  protected flags!: CommandFlags<T>
  protected args!: CommandArgs<T>
  #interrupt: Interrupt | undefined

  override async init(): Promise<void> {
    await super.init()
    const command = this.ctor as typeof BaseCommand
    const {args, flags} = await this.parse({
      args: command.args,
      flags: command.flags,
      baseFlags: command.baseFlags,
      enableJsonFlag: command.enableJsonFlag,
      strict: command.strict,
    })
    this.flags = flags as CommandFlags<T>
    this.args = args as CommandArgs<T>
  }

  /**
   * Aborted by the first Ctrl-C (or SIGTERM); the second one ends the process with exit code 130. Only a command
   * that asks for it changes what Ctrl-C does, so that one which cannot stop in order still stops at once.
   */
  protected get interrupt(): AbortSignal {
    this.#interrupt ??= new Interrupt(() => {
      process.stderr.write('\nstopping after this step; press Ctrl-C again to end at once\n')
    })
    return this.#interrupt.signal
  }

  /** A progress bar on stderr; nothing is drawn in `--json` or where stderr is not a terminal. */
  protected progressBar(options: Omit<ProgressOptions, 'enabled'>): ProgressBar {
    return progressBar({...options, enabled: !this.jsonEnabled()})
  }

  /** A line about what happens, on stderr: stdout belongs to the result. Silent in `--json`. */
  protected note(line: string): void {
    if (!this.jsonEnabled()) process.stderr.write(`${line}\n`)
  }

  /** Shows a failure once, in words or as the one JSON document, and leaves with its exit code. */
  protected override catch(thrown: Interfaces.CommandError): Promise<never> {
    if (thrown instanceof Errors.ExitError) throw thrown
    const interrupted = this.#interrupt?.caused(thrown) === true && !(thrown instanceof InterruptedError)
    const error = interrupted ? new InterruptedError(undefined, {cause: thrown}) : this.#withUsageHint(thrown)
    if (this.jsonEnabled()) this.logJson({error: reportError(error)})
    else process.stderr.write(errorText(error, {verbose: this.argv.includes('--verbose')}))
    throw new Errors.ExitError(reportError(error).exitCode)
  }

  /** Work that stopped in order because of Ctrl-C still ends with the exit code of an interruption. */
  protected override finally(error: Error | undefined): Promise<void> {
    if (error === undefined && this.#interrupt?.signal.aborted === true) {
      process.exitCode = new InterruptedError().exitCode
    }
    this.#interrupt?.[Symbol.dispose]()
    return Promise.resolve()
  }

  /** A wrong command line is answered with the nearest known flag, else with the place of the help. */
  #withUsageHint(error: Error): Error {
    if (!(error instanceof Errors.CLIError) || (error.suggestions?.length ?? 0) > 0) return error
    const command = this.ctor as typeof BaseCommand
    const known = Object.keys({json: true, help: true, ...command.baseFlags, ...command.flags})
    const unknown = 'flags' in error && Array.isArray(error.flags) ? error.flags.map(String) : []
    const meant = unknown.map((flag) => didYouMean(flag, known)).filter((flag) => flag !== undefined)
    const help = `Run \`${this.config.bin} ${(this.id ?? '').replaceAll(':', ' ')} --help\` to see what it takes.`
    error.suggestions = meant.length > 0 ? [`Did you mean --${meant.join(', --')}?`, help] : [help]
    return error
  }
}
