import {DataError, printable} from '../../errors.js'

const mostKept = 200

/** Collects what is wrong with a file, so that a user mends it in one go and not fault by fault. */
export class ImportProblems {
  readonly #lines: string[] = []
  #count = 0

  /** Notes a problem; `where` is a row, such as `line 7`. */
  add(where: string, what: string): void {
    this.#count++
    if (this.#lines.length < mostKept) this.#lines.push(`${where}: ${what}`)
  }

  /** @throws DataError E_IMPORT_ROWS listing every problem (the first 200), if there is any */
  throwIfAny(file: string): void {
    if (this.#count === 0) return
    const lines = this.#lines.map((line) => `\n  ${line}`)
    const rest = this.#count > this.#lines.length ? `\n  … and ${this.#count - this.#lines.length} more` : ''
    const count = this.#count === 1 ? '1 problem' : `${this.#count} problems`
    throw new DataError(`${printable(file, 300)} has ${count}:${lines.join('')}${rest}`, {
      code: 'E_IMPORT_ROWS',
      next: 'Mend these rows and import again; nothing was written.',
    })
  }
}
