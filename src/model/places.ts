import {ConfigError} from '../errors.js'
import type {Nodes} from './nodes.js'

/** Where work is done: so many processes on CPUs, or one on each GPU. */
export type Places = {
  readonly nproc: number
  /** `cpu`, `gpu:0` or `gpu:0,1`; null: what is there. */
  readonly devices: string | null
  /** Several machines that each work so; none: this one alone. */
  readonly nodes?: Nodes | undefined
}

/**
 * How many processes it takes, and on which GPUs.
 * @throws ConfigError if `nproc` and `devices` contradict each other
 */
export function placesOf(places: Places): {
  readonly count: number
  readonly gpus: readonly number[] | undefined
} {
  const gpus = gpusOf(places)
  if (gpus === undefined || gpus.length === 0) return {count: places.nproc, gpus: undefined}
  if (new Set(gpus).size < gpus.length)
    throw new ConfigError(`devices ${places.devices ?? ''} names a GPU twice.`, {next: 'Name each GPU once.'})
  if (places.nproc !== 1 && places.nproc !== gpus.length) {
    throw new ConfigError(
      `nproc ${places.nproc} does not go with devices ${places.devices ?? ''}: each GPU has one process.`,
      {next: 'Leave --nproc out.'},
    )
  }
  return {count: gpus.length, gpus}
}

function gpusOf({devices}: Places): number[] | undefined {
  if (devices === null || devices === 'cpu') return undefined
  const numbers = /^gpu:(\d+(?:,\d+)*)$/.exec(devices)?.[1]
  if (numbers !== undefined) return numbers.split(',').map(Number)
  throw new ConfigError(`devices is '${devices}'.`, {next: 'Use cpu, or GPUs by number, such as gpu:0,1.'})
}
