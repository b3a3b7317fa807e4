import type {ProgressBar, ProgressOptions} from './progress.js'

export type MakeBar = (options: Omit<ProgressOptions, 'enabled'>) => ProgressBar

/** A bar for each stage of a piece of work, named by it; there is none before a stage has something to show. */
export class StagedBar {
  readonly #makeBar: MakeBar
  readonly #unit: string
  #stage: string | undefined
  #bar: ProgressBar | undefined

  constructor(makeBar: MakeBar, unit: string) {
    this.#makeBar = makeBar
    this.#unit = unit
  }

  update(stage: string, done: number, total: number): void {
    if (stage !== this.#stage) this.stop()
    this.#stage = stage
    this.#bar ??= this.#makeBar({label: stage, unit: this.#unit})
    this.#bar.update(done, total)
  }

  stop(): void {
    this.#bar?.stop()
    this.#bar = undefined
  }
}
