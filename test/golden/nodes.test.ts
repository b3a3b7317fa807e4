import {join} from 'node:path'
import test from 'ava'
import {nodesOf, type NodeFlags} from '../../src/model/nodes.js'
import {jsonOf, runCli} from '../helpers/cli.js'
import {temporaryFolder} from '../helpers/golden.js'

const two = {nnodes: 2, master: '10.0.0.1:29500'}
const twoFlags = ['--nnodes', '2', '--master', '10.0.0.1:29500']

test('flags of nodes that do not go together are mistakes of the configuration', (t) => {
  const mistakes: readonly (readonly [NodeFlags, string])[] = [
    [{nnodes: 2}, '--nnodes 2 does not say where the nodes meet.'],
    [{'node-rank': 1}, '--node-rank says nothing about a run on one node.'],
    [{master: '10.0.0.1:29500'}, '--master says nothing about a run on one node.'],
    [{nnodes: 1, 'join-minutes': 3}, '--join-minutes says nothing about a run on one node.'],
    [{...two, 'node-rank': 2}, 'Node rank 2 is out of range: the 2 nodes count from 0 to 1.'],
    [{...two, 'node-rank': -1}, 'Node rank -1 is out of range: the 2 nodes count from 0 to 1.'],
    [{...two, master: '10.0.0.1'}, "The master '10.0.0.1' is not HOST:PORT."],
    [{...two, master: 'node0:70000'}, "The master 'node0:70000' is not HOST:PORT."],
    [{...two, 'join-minutes': 0}, 'The nodes cannot meet within 0 min.'],
    [{...two, 'join-minutes': NaN}, 'The nodes cannot meet within NaN min.'],
  ]
  for (const [flags, message] of mistakes) t.throws(() => nodesOf(flags), {code: 'E_CONFIG', message})
  t.is(nodesOf({nnodes: 1}), undefined)
  t.deepEqual(nodesOf({...two, 'node-rank': 1}), {
    ...{count: 2, rank: 1, master: '10.0.0.1:29500'},
    joinMinutes: 10,
  })
})

test('a trial does not take several nodes', async (t) => {
  const end = await runCli(['train', ...twoFlags, '--dry-run', '--json'])
  t.is(end.exitCode, 3, end.stdout + end.stderr)
  t.like(jsonOf(end), {error: {code: 'E_CONFIG', message: '--dry-run does not try several nodes.'}})
})

test('a node that does not see the run says that the folder must be shared', async (t) => {
  const folder = join(await temporaryFolder(t), 'run')
  const end = await runCli(['train', '--resume', folder, ...twoFlags, '--node-rank', '1', '--json'])
  t.is(end.exitCode, 4, end.stdout + end.stderr)
  t.like(jsonOf(end), {
    error: {code: 'E_NO_RUN', message: `Node 1 of 2 does not see the run in ${folder}.`},
  })
})
