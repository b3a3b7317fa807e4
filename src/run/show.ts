import {readRunFile, type RunFile} from './run-file.js'
import {readStates} from './states.js'
import {summaryOf, type RunSummary} from './summary.js'

/** A run with everything that its run.json says, and its states. */
export type ShownRun = {
  readonly summary: RunSummary
  readonly run: RunFile
  readonly states: readonly {readonly name: string; readonly problem: string | null}[]
}

/** Reads all there is to tell of a run. @throws CheckpointError E_NO_RUN if the folder holds none */
export async function showRun(folder: string): Promise<ShownRun> {
  const [run, states] = [await readRunFile(folder), await readStates(folder)]
  return {
    summary: await summaryOf(folder, run, states),
    run,
    states: states.map(({name, problem}) => ({name, problem})),
  }
}
