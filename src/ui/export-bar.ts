import type {OnExportProgress} from '../model/engine.js'
import {StagedBar, type MakeBar} from './staged-bar.js'

/** A bar for the export of a model's graph; it shows nothing where none is made. */
export function exportBar(makeBar: MakeBar): {readonly update: OnExportProgress; readonly stop: () => void} {
  const bar = new StagedBar(makeBar, 'steps')
  return {
    update({done, total}) {
      bar.update('Exporting the model', done, total)
    },
    stop() {
      bar.stop()
    },
  }
}
