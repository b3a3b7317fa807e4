const windowMs = 5000

/** Adds up the progress of several downloads and measures how fast they are together. */
export class Meter {
  readonly #files = new Map<string, {doneBytes: number; totalBytes: number | undefined}>()
  readonly #samples: {readonly atMs: number; readonly doneBytes: number}[] = []

  update(id: string, doneBytes: number, totalBytes: number | undefined, nowMs = performance.now()): void {
    this.#files.set(id, {doneBytes, totalBytes})
    this.#samples.push({atMs: nowMs, doneBytes: this.doneBytes})
    while (nowMs - (this.#samples[0]?.atMs ?? nowMs) > windowMs) this.#samples.shift()
  }

  get doneBytes(): number {
    return this.#sum((file) => file.doneBytes)
  }

  /** What all are to bring; files whose size nobody knows count with what they brought. */
  get totalBytes(): number {
    return this.#sum((file) => Math.max(file.totalBytes ?? 0, file.doneBytes))
  }

  /** Mean of the last seconds, which is what tells how long it will still take. */
  get bytesPerSecond(): number {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)]
    if (first === undefined || last === undefined || last.atMs <= first.atMs) return 0
    return Math.max(0, ((last.doneBytes - first.doneBytes) / (last.atMs - first.atMs)) * 1000)
  }

  #sum(count: (file: {doneBytes: number; totalBytes: number | undefined}) => number): number {
    return [...this.#files.values()].reduce((sum, file) => sum + count(file), 0)
  }
}
