import {Flags} from '@oclif/core'
import {JOIN_MINUTES} from './model/nodes.js'

/** Flags of a run over several machines; `nodesOf` reads them. */
export const nodeFlags = {
  nnodes: Flags.integer({
    min: 1,
    max: 1024,
    helpValue: 'N',
    description: 'Machines that train together, each started by the same command. [default: 1]',
  }),
  'node-rank': Flags.integer({
    helpValue: 'N',
    description:
      'Which of the machines this is, from 0; node 0 shows the run and writes its folder. [default: 0]',
  }),
  master: Flags.string({
    helpValue: 'HOST:PORT',
    description: 'Where the machines meet: an address of node 0 and a free port.',
  }),
  'join-minutes': Flags.custom<number>({
    helpValue: 'X',
    description: `How long the machines may take to meet. [default: ${JOIN_MINUTES}]`,
    parse: (input) => Promise.resolve(Number(input)),
  })(),
}
