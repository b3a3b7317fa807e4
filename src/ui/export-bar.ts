import type {OnExportProgress} from '../model/engine.js'
import type {PrepareBar} from './prepare-bar.js'
import {StagedBar, type MakeBar} from './staged-bar.js'

export type ExportBar = {readonly update: OnExportProgress; readonly stop: () => void}

/** A bar for the export of a model's graph, in the place of that of its data; it shows nothing where none is made. */
export function exportBar(makeBar: MakeBar, preparing: PrepareBar): ExportBar {
  const bar = new StagedBar(makeBar, 'steps')
  return {
    update({done, total}) {
      preparing.stop()
      bar.update('Exporting the model', done, total)
    },
    stop() {
      preparing.stop()
      bar.stop()
    },
  }
}
