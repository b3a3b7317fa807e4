import {thin} from '../report/learning-curves.js'
import {LogReader} from './log-reader.js'
import type {Curves} from './schemas.js'

/** What a run's log says so far; asking again reads only what was added. */
export class RunLog {
  readonly #reader: LogReader
  readonly #losses = new Map<number, number>()
  readonly #validations = new Map<number, Curves['validations'][number]>()
  #lastStep = 0
  #epochs = 0
  #reading: Promise<void> | undefined

  constructor(file: string) {
    this.#reader = new LogReader(file)
  }

  get offset(): number {
    return this.#reader.offset
  }

  get lastStep(): number {
    return this.#lastStep
  }

  get lastLoss(): number | null {
    return this.#losses.get(this.#lastStep) ?? null
  }

  /** Epochs that are done. */
  get epochs(): number {
    return this.#epochs
  }

  /** At most 200 points a curve. */
  get curves(): Curves {
    return {loss: [...thin([...this.#losses])], validations: [...this.#validations.values()]}
  }

  /** Reads what was added. Two who ask at once wait for the same reading. */
  async update(): Promise<void> {
    this.#reading ??= this.#readOn().finally(() => {
      this.#reading = undefined
    })
    await this.#reading
  }

  async #readOn(): Promise<void> {
    for (;;) {
      const {isNew, lines} = await this.#reader.read()
      if (isNew) this.#forget()
      if (lines.length === 0 && !isNew) return
      for (const line of lines) {
        if (line.type === 'step') {
          this.#losses.set(line.step, line.loss)
          this.#lastStep = line.step
          continue
        }
        const {epoch, step, valAccuracy: accuracy, best} = line
        this.#epochs = epoch
        if (accuracy !== null) this.#validations.set(epoch, {epoch, step, accuracy, best})
      }
    }
  }

  #forget(): void {
    this.#losses.clear()
    this.#validations.clear()
    this.#lastStep = 0
    this.#epochs = 0
  }
}
