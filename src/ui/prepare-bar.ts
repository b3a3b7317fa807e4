import type {OnPrepareProgress} from '../data/progress.js'
import {StagedBar, type MakeBar} from './staged-bar.js'

export type PrepareBar = {readonly update: OnPrepareProgress; readonly stop: () => void}

/** A bar for the first reading of a data set; it shows nothing when the cache already has everything. */
export function prepareBar(makeBar: MakeBar): PrepareBar {
  const bar = new StagedBar(makeBar, 'bytes')
  return {
    update({stage, doneBytes, totalBytes}) {
      bar.update(stage, doneBytes, totalBytes)
    },
    stop() {
      bar.stop()
    },
  }
}
