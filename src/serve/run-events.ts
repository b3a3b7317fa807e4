import {setTimeout as delay} from 'node:timers/promises'
import {LogReader, type MetricsLine} from './log-reader.js'
import type {RunCatalogue} from './run-catalogue.js'
import type {RunState} from './schemas.js'

/** What those who follow a run are told; `offset` is where to go on after a broken connection. */
export type RunEvent =
  | {readonly type: 'lines'; readonly lines: readonly MetricsLine[]; readonly offset: number}
  /** The log was written anew: what is known of it is void. */
  | {readonly type: 'reset'; readonly offset: number}
  | {readonly type: 'state'; readonly state: RunState; readonly offset: number}

export type FollowOptions = {
  /** Bytes of the log that are known already. */
  readonly from: number
  readonly signal: AbortSignal
  /** How often the log is looked at. @default 300 */
  readonly pollMs?: number
  /** A state is told at least so often, so that both ends see that the other is there. @default 15000 */
  readonly aliveMs?: number
}

/** Follows a run's log until the run is done or the signal is aborted. @throws HttpProblem 404 for an unknown run */
export async function* followRun(
  runs: RunCatalogue,
  id: string,
  {from, signal, pollMs = 300, aliveMs = 15_000}: FollowOptions,
): AsyncGenerator<RunEvent, void, void> {
  const reader = new LogReader(await runs.logFile(id), from)
  let told: RunState | undefined
  let toldMs = 0
  while (!signal.aborted) {
    const {isNew, lines} = await reader.read()
    if (isNew) yield {type: 'reset', offset: 0}
    if (lines.length > 0) {
      yield {type: 'lines', lines, offset: reader.offset}
      continue
    }
    const {state} = await runs.metrics(id)
    if (state !== told || performance.now() - toldMs > aliveMs) {
      yield {type: 'state', state, offset: reader.offset}
      told = state
      toldMs = performance.now()
    }
    if (state === 'finished') return
    await delay(pollMs, undefined, {signal}).catch(() => undefined)
  }
}
