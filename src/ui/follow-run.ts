import type {Run} from '../model/run.js'
import type {PrepareBar} from './prepare-bar.js'
import type {ProgressBar} from './progress.js'

/** Goes through a run that first reads its data and then counts what is done, each with its bar; gives its result. */
export async function followRun<Result>(
  run: Run<{readonly done: number; readonly total: number}, Result>,
  preparing: PrepareBar,
  bar: ProgressBar,
): Promise<Result> {
  try {
    for await (const {done, total} of run) {
      preparing.stop()
      bar.update(done, total)
    }
  } finally {
    preparing.stop()
    bar.stop()
  }
  return run.result()
}
