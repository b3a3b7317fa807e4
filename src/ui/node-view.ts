import type {TrainEvent, TrainResult} from '../model/events.js'
import {nodeName, type Nodes} from '../model/nodes.js'
import {spinner, type Spinner} from './spinner.js'
import {duration} from './progress.js'

/** The part that a node other than the first one took in a run. */
export type NodeResult = Pick<TrainResult, 'steps' | 'epochs' | 'stoppedEarly' | 'secondsTotal'> & {
  readonly node: number
  readonly nnodes: number
  readonly master: string
}

/** What a person sees on a node other than the first one: that it is busy. */
export class NodeView {
  readonly #spinner: Spinner

  constructor(isEnabled: boolean) {
    this.#spinner = spinner(isEnabled)
  }

  show(event: TrainEvent): void {
    if (event.type === 'start') this.#spinner.start('Training')
  }

  stop(): void {
    this.#spinner.stop()
  }
}

/** What a node says before the run begins. */
export function nodeLine(nodes: Nodes): string {
  const {rank, master, joinMinutes} = nodes
  return rank === 0
    ? `${nodeName(nodes)}: the run begins once all nodes have met at ${master}, within ${joinMinutes} min.`
    : `${nodeName(nodes)}: takes part in the run of ${master}; its progress shows on node 0.`
}

export function nodeResult({rank, count, master}: Nodes, result: TrainResult): NodeResult {
  const {steps, epochs, stoppedEarly, secondsTotal} = result
  return {node: rank, nnodes: count, master, steps, epochs, stoppedEarly, secondsTotal}
}

export function nodeSummary({epochs, steps, secondsTotal}: NodeResult): string {
  return `Took part in ${epochs} epochs, ${steps} steps in ${duration(1000 * secondsTotal)}; node 0 has the result.`
}
