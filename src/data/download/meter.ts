const windowMs = 5000

type FileProgress = {
  /** How much was there when it was first heard of. */
  readonly startBytes: number
  readonly doneBytes: number
  readonly totalBytes: number | undefined
}

/** Adds up the progress of several downloads and measures how fast they are together. */
export class Meter {
  readonly #files = new Map<string, FileProgress>()
  readonly #samples: {readonly atMs: number; readonly doneBytes: number}[] = []

  update(id: string, doneBytes: number, totalBytes: number | undefined, nowMs = performance.now()): void {
    const startBytes = Math.min(this.#files.get(id)?.startBytes ?? doneBytes, doneBytes)
    this.#files.set(id, {startBytes, doneBytes, totalBytes})
    this.#samples.push({atMs: nowMs, doneBytes: this.doneBytes})
    while (nowMs - (this.#samples[0]?.atMs ?? nowMs) > windowMs) this.#samples.shift()
  }

  /** What has come in this run; what an earlier one left would make the time left look too short. */
  get doneBytes(): number {
    return this.#sum(({startBytes, doneBytes}) => doneBytes - startBytes)
  }

  /** What all are to bring in this run; files whose size nobody knows count with what they brought. */
  get totalBytes(): number {
    return this.#sum(
      ({startBytes, doneBytes, totalBytes = 0}) => Math.max(totalBytes, doneBytes) - startBytes,
    )
  }

  /** Mean of the last seconds, which is what tells how long it will still take. */
  get bytesPerSecond(): number {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)]
    if (first === undefined || last === undefined || last.atMs <= first.atMs) return 0
    return Math.max(0, ((last.doneBytes - first.doneBytes) / (last.atMs - first.atMs)) * 1000)
  }

  #sum(count: (file: FileProgress) => number): number {
    return [...this.#files.values()].reduce((sum, file) => sum + count(file), 0)
  }
}
