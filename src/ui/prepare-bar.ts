import type {OnPrepareProgress} from '../data/progress.js'
import type {ProgressBar, ProgressOptions} from './progress.js'

/** A bar for the first reading of a data set; it shows nothing when the cache already has everything. */
export function prepareBar(makeBar: (options: Omit<ProgressOptions, 'enabled'>) => ProgressBar): {
  readonly update: OnPrepareProgress
  readonly stop: () => void
} {
  let stage: string | undefined
  let bar: ProgressBar | undefined
  const stop = (): void => {
    bar?.stop()
    bar = undefined
  }
  return {
    update(progress) {
      if (progress.stage !== stage) stop()
      stage = progress.stage
      bar ??= makeBar({label: progress.stage, unit: 'bytes'})
      bar.update(progress.doneBytes, progress.totalBytes)
    },
    stop,
  }
}
