import type {EvaluationProgress} from '../report/evaluation.js'
import type {ProgressBar, ProgressOptions} from './progress.js'

/** A bar for each split that is evaluated; it shows nothing where the answers are there already. */
export function evaluationBar(makeBar: (options: Omit<ProgressOptions, 'enabled'>) => ProgressBar): {
  readonly update: (progress: EvaluationProgress) => void
  readonly stop: () => void
} {
  let split: string | undefined
  let bar: ProgressBar | undefined
  const stop = (): void => {
    bar?.stop()
    bar = undefined
  }
  return {
    update(progress) {
      if (progress.split !== split) stop()
      split = progress.split
      bar ??= makeBar({label: `Evaluating ${split}`, unit: 'expressions'})
      bar.update(progress.done, progress.total)
    },
    stop,
  }
}
