/** How far a piece of work is. */
export type PrepareProgress = {
  /** What is being done: a few words to show. */
  readonly stage: string
  readonly doneBytes: number
  readonly totalBytes: number
}

export type OnPrepareProgress = (progress: PrepareProgress) => void
