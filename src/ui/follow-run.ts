import type {Run} from '../model/run.js'
import type {ExportBar} from './export-bar.js'
import type {PrepareBar} from './prepare-bar.js'
import type {ProgressBar} from './progress.js'

/** Goes through a run that first reads its data and then counts what is done, each with its bar; gives its result. */
export async function followRun<Result>(
  run: Run<{readonly type?: string; readonly done: number; readonly total: number}, Result>,
  preparing: PrepareBar,
  bar: ProgressBar,
  exporting?: ExportBar,
): Promise<Result> {
  try {
    for await (const {type, done, total} of run) {
      preparing.stop()
      if (type === 'export') {
        exporting?.update({type, done, total})
        continue
      }
      exporting?.stop()
      bar.update(done, total)
    }
  } finally {
    preparing.stop()
    exporting?.stop()
    bar.stop()
  }
  return run.result()
}
