import {lookup} from 'node:dns/promises'
import {hostname} from 'node:os'
import {ConfigError, EnvironmentError, NetworkError} from '../errors.js'

/** The machines that train together, each by the same call with its own `rank`. */
export type Nodes = {
  /** How many there are. */
  readonly count: number
  /** Which of them this is, from 0. Node 0 tells what happens and writes the run folder. */
  readonly rank: number
  /** Address at which node 0 is reached by all, `HOST:PORT`. */
  readonly master: string
  /** How long the nodes may take to meet. */
  readonly joinMinutes: number
}

/** How long the nodes may take to meet unless told otherwise: data are prepared on each of them before. */
export const JOIN_MINUTES = 10
const MAX_JOIN_MINUTES = 1440

/** The flags that say which node of how many this is. */
export type NodeFlags = {
  readonly nnodes?: number | undefined
  readonly 'node-rank'?: number | undefined
  readonly master?: string | undefined
  readonly 'join-minutes'?: number | undefined
}

/**
 * What the flags say of the nodes of a run; undefined for this machine alone.
 * @throws ConfigError if they contradict each other
 */
export function nodesOf(flags: NodeFlags): Nodes | undefined {
  const {nnodes: count = 1, 'node-rank': rank = 0, master, 'join-minutes': joinMinutes = JOIN_MINUTES} = flags
  if (count > 1) {
    if (master === undefined)
      throw new ConfigError(`--nnodes ${count} does not say where the nodes meet.`, {
        next: 'Add --master HOST:PORT with an address of node 0 and a free port, the same on every node.',
      })
    return checkedNodes({count, rank, master, joinMinutes})
  }
  const useless = (['node-rank', 'master', 'join-minutes'] as const).find((name) => flags[name] !== undefined)
  if (useless === undefined) return undefined
  throw new ConfigError(`--${useless} says nothing about a run on one node.`, {
    next: 'Add --nnodes N with the number of nodes.',
  })
}

/** @throws ConfigError where a value is out of range */
export function checkedNodes(nodes: Nodes): Nodes {
  const {count, rank, master, joinMinutes} = nodes
  if (!(Number.isInteger(rank) && rank >= 0 && rank < count))
    throw new ConfigError(
      `Node rank ${rank} is out of range: the ${count} nodes count from 0 to ${count - 1}.`,
      {
        next: 'Give each node its own --node-rank.',
      },
    )
  const port = Number(/^[\w.-]+:(\d{1,5})$/.exec(master)?.[1])
  if (!(port >= 1 && port <= 65_535))
    throw new ConfigError(`The master '${master}' is not HOST:PORT.`, {
      next: 'Use an address of node 0 and a free port, such as 10.0.0.1:29500.',
    })
  if (!(joinMinutes > 0 && joinMinutes <= MAX_JOIN_MINUTES))
    throw new ConfigError(`The nodes cannot meet within ${joinMinutes} min.`, {
      next: `Give --join-minutes more than 0 and at most ${MAX_JOIN_MINUTES}.`,
    })
  return nodes
}

/** How messages call this node. */
export function nodeName({rank, count}: Nodes): string {
  return `Node ${rank} of ${count}`
}

/**
 * The other nodes are told to come to the address that this node's own name stands for.
 * @throws EnvironmentError where that is one which no other machine reaches
 */
export async function checkOwnAddress({master}: Nodes): Promise<void> {
  const isLoopback = (address: string): boolean => address.startsWith('127.')
  const host = master.split(':')[0] ?? ''
  const [own, first] = await Promise.all(
    [hostname(), host].map(async (name) => (await lookup(name, 4).catch(() => undefined))?.address),
  )
  if (first === undefined)
    throw new NetworkError(`The master ${host} is not known by this name.`, {
      next: 'Give --master an address of node 0.',
    })
  if (isLoopback(first) || (own !== undefined && !isLoopback(own))) return
  throw new EnvironmentError(
    `The name of this machine, ${hostname()}, stands for ${own ?? 'no address'}, where no other node reaches it.`,
    {next: 'Put its address in the network into /etc/hosts; `hostname -i` shows what its name stands for.'},
  )
}

/** The nodes of a run did not meet in time. */
export class NodesApartError extends NetworkError {
  constructor({count, rank, master, joinMinutes}: Nodes) {
    super(
      `The ${count} nodes of the run did not meet at ${master} within ${joinMinutes} min (this is node ${rank}).`,
      {
        code: 'E_NODES_APART',
        next:
          'Start the same command on every node, each with its own --node-rank, and let them reach each other on all ' +
          'ports; --join-minutes gives them longer.',
      },
    )
  }
}
