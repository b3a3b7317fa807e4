import {execa} from 'execa'
import {ConfigError, printable} from '../errors.js'
import type {OutsideTimes} from './result.js'

/** A command of the shell whose runs are timed; the first run only warms up. */
export class OutsideCommand {
  readonly #command: string
  readonly #signal: AbortSignal | undefined
  readonly #seconds: number[] = []
  #runs = 0

  constructor(command: string, signal: AbortSignal | undefined) {
    this.#command = command
    this.#signal = signal
  }

  /** Runs once more unless it ran `count` times; with `all` as often as is left. */
  async runUntil(count: number, all: boolean): Promise<void> {
    while (this.#runs < count) {
      await this.#run()
      if (!all) return
    }
  }

  /** What was measured. */
  times(): OutsideTimes {
    const sorted = this.#seconds.toSorted((a, b) => a - b)
    const middle = sorted.slice(Math.floor((sorted.length - 1) / 2), Math.floor(sorted.length / 2) + 1)
    return {
      command: this.#command,
      runs: sorted.length,
      medianSeconds: middle.reduce((sum, seconds) => sum + seconds, 0) / middle.length,
      leastSeconds: sorted[0] ?? 0,
      mostSeconds: sorted.at(-1) ?? 0,
    }
  }

  async #run(): Promise<void> {
    const started = performance.now()
    const options = {shell: true, stdio: 'ignore', reject: false} as const
    const {exitCode, failed} = await execa(this.#command, {
      ...options,
      ...(this.#signal === undefined ? {} : {cancelSignal: this.#signal}),
    })
    this.#signal?.throwIfAborted()
    if (failed) {
      throw new ConfigError(
        `The command ${printable(this.#command, 200)} to compare with ended with exit code ${exitCode ?? 'none'}.`,
        {next: 'Run it alone to see what is wrong.'},
      )
    }
    if (this.#runs > 0) this.#seconds.push((performance.now() - started) / 1000)
    this.#runs += 1
  }
}
