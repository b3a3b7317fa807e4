import type {EvaluationProgress} from '../report/evaluation.js'
import {StagedBar, type MakeBar} from './staged-bar.js'

/** A bar for each split that is evaluated; it shows nothing where the answers are there already. */
export function evaluationBar(makeBar: MakeBar): {
  readonly update: (progress: EvaluationProgress) => void
  readonly stop: () => void
} {
  const bar = new StagedBar(makeBar, 'expressions')
  return {
    update({split, done, total}) {
      bar.update(`Evaluating ${split}`, done, total)
    },
    stop() {
      bar.stop()
    },
  }
}
