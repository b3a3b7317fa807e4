import {Errors, Flags} from '@oclif/core'
import {BaseCommand} from '../../src/base-command.js'
import {DataError} from '../../src/errors.js'
import {packageRoot} from '../../src/paths.js'

/** A command that fails or waits as it is told, to look at what {@link BaseCommand} makes of it. */
class Misbehave extends BaseCommand<typeof Misbehave> {
  static override flags = {how: Flags.string({required: true})}

  async run(): Promise<{done: boolean}> {
    switch (this.flags.how) {
      case 'data': {
        const cause = new Error('the disk\nwent away')
        throw new DataError('refs(unc).p is cut off at byte 7.', {
          code: 'E_TRUNCATED',
          next: 'Fetch it again.',
          cause,
        })
      }
      case 'python': {
        const cause = Object.assign(new Error('boom'), {
          traceback: 'Traceback (most recent call last):\n  line 1\n',
        })
        throw new DataError('Python failed.', {cause})
      }
      case 'crash':
        throw Object.assign(new DataError('Python ended.'), {
          stderrTail: Array.from({length: 20}, (_, line) => `line ${line} \u001b[2J`).join('\n'),
        })
      case 'own':
        throw Object.assign(new DataError('Python raised KeyError.'), {
          traceback: 'all frames',
          ownTraceback: '  File "train.py", line 7, in train\nKeyError',
        })
      case 'bug':
        throw new TypeError('x is not a function')
      case 'wait':
        await this.#untilInterrupted()
        return {done: false}
      case 'abort':
        await this.#untilInterrupted()
        this.interrupt.throwIfAborted()
        throw new Error('unreachable')
      default:
        await this.#untilInterrupted()
        return new Promise(() => {
          setInterval(() => undefined, 1000)
        })
    }
  }

  async #untilInterrupted(): Promise<void> {
    const alive = setInterval(() => undefined, 1000)
    await new Promise<void>((resolve) => {
      this.interrupt.addEventListener('abort', () => {
        resolve()
      })
      process.stderr.write('waiting\n')
    })
    clearInterval(alive)
  }
}

try {
  await Misbehave.run(process.argv.slice(2), packageRoot)
} catch (error) {
  process.exit(error instanceof Errors.ExitError ? error.oclif.exit : 99)
}
