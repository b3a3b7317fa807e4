import {cp} from 'node:fs/promises'
import {join} from 'node:path'
import test from 'ava'
import {jsonOf, runCli, type CliResult} from '../helpers/cli.js'
import {makeWorkplace} from '../helpers/damage.js'
import {processesLeft} from '../helpers/python.js'
import {freeMaster, losses, startNode, startTwoNodes, train, trainCommand} from '../helpers/two-processes.js'
import {unlike} from '../helpers/written-schemas.js'

test.serial(
  'two nodes give the losses of one process within 1e-4; the second prints its part and writes nothing',
  async (t) => {
    t.timeout(300_000)
    const place = await makeWorkplace(t)
    const [alone, shared] = [join(place.folder, 'alone'), join(place.folder, 'shared')]
    const settings = ['--epochs', '2', '--dropout', '0', '--output-dir']
    const one = await train(place, [...settings, alone])
    t.is(one.exitCode, 0, one.stdout + one.stderr)
    const master = await freeMaster()
    const ends = await Promise.all(
      [0, 1].map((rank) => startNode(trainCommand(place, [...settings, shared]), rank, master).cli),
    )
    for (const {exitCode, stdout, stderr} of ends) t.is(exitCode, 0, stdout + stderr)
    const [first, second] = ends.map((end) => jsonOf(end as CliResult))
    t.like(first, {outputDir: shared, steps: 16, epochs: 2})
    t.like(second, {node: 1, nnodes: 2, master, steps: 16, epochs: 2, stoppedEarly: null})
    t.deepEqual(unlike('train', second), [])
    const [expected, found] = [await losses(alone), await losses(shared)]
    t.is(found.length, 16)
    for (const [index, loss] of found.entries()) {
      const wanted = expected[index] ?? NaN
      t.true(Math.abs(loss / wanted - 1) < 1e-4, `step ${index + 1}: ${loss} for ${wanted}`)
    }
  },
)

test.serial(
  'when a node is killed, the other one ends in a sentence, and both go on from its steps',
  async (t) => {
    t.timeout(300_000)
    const place = await makeWorkplace(t)
    const {first, second, folder} = await startTwoNodes(place)
    second.cli.kill('SIGKILL')
    const end = await first.cli
    t.is(end.exitCode, 7, end.stdout + end.stderr)
    t.like(jsonOf(end as CliResult), {
      error: {code: 'E_BRIDGE_LOST', message: 'Process 0 of 2 has lost another process of the run.'},
    })
    for (const {mark} of [first, second]) t.deepEqual(await processesLeft(mark, 500), [])

    const steps = (await losses(folder)).length + 2
    const master = await freeMaster()
    const again = ['train', '--resume', folder, '--max-steps', `${steps}`]
    const ends = await Promise.all([0, 1].map((rank) => startNode(again, rank, master).cli))
    for (const {exitCode, stdout, stderr} of ends) t.is(exitCode, 0, stdout + stderr)
    t.is((await losses(folder)).length, steps)
  },
)

test.serial(
  'a node that begins with other settings, weights or state is found out before the first step',
  async (t) => {
    t.timeout(300_000)
    const place = await makeWorkplace(t)
    const settings = ['--max-steps', '2', '--output-dir']
    const master = await freeMaster()
    const [own, other] = [join(place.folder, 'own'), join(place.folder, 'other')]
    const ends = await Promise.all([
      startNode(trainCommand(place, [...settings, own]), 0, master).cli,
      startNode(trainCommand({...place, weights: 'none'}, ['--seed', '7', ...settings, other]), 1, master)
        .cli,
    ])
    for (const end of ends) {
      t.is(end.exitCode, 3, end.stdout + end.stderr)
      t.like(jsonOf(end as CliResult), {
        error: {message: 'The nodes of the run do not begin with the same settings and weights.'},
      })
    }

    const run = await train(place, [...settings, own])
    t.is(run.exitCode, 0, run.stdout + run.stderr)
    await cp(own, other, {recursive: true})
    const more = await runCli(['train', '--resume', own, '--max-steps', '3', '--json'])
    t.is(more.exitCode, 0, more.stdout + more.stderr)
    const next = await freeMaster()
    const resumed = await Promise.all(
      [own, other].map(
        (folder, rank) => startNode(['train', '--resume', folder, '--max-steps', '5'], rank, next).cli,
      ),
    )
    for (const end of resumed) {
      t.is(end.exitCode, 3, end.stdout + end.stderr)
      t.regex(end.stdout, /do not begin with the same state and weights/)
    }
  },
)

test.serial('Ctrl-C on any node ends all in order, with the state saved', async (t) => {
  t.timeout(300_000)
  const {first, second, folder} = await startTwoNodes(await makeWorkplace(t))
  second.cli.kill('SIGINT')
  for (const end of await Promise.all([first.cli, second.cli]))
    t.is(end.exitCode, 130, end.stdout + end.stderr)
  for (const {mark} of [first, second]) t.deepEqual(await processesLeft(mark, 500), [])
  const steps = (await losses(folder)).length + 1
  const resumed = await runCli(['train', '--resume', folder, '--max-steps', `${steps}`, '--json'])
  t.is(resumed.exitCode, 0, resumed.stdout + resumed.stderr)
  t.like(jsonOf(resumed), {steps})
})

test.serial('nodes that do not meet give up in time, whichever is there', async (t) => {
  t.timeout(300_000)
  const place = await makeWorkplace(t)
  for (const rank of [0, 1]) {
    const master = await freeMaster()
    const settings = ['--join-minutes', '0.1', '--output-dir', join(place.folder, `run-${rank}`)]
    const {cli, mark} = startNode(trainCommand(place, settings), rank, master)
    const end = await cli
    t.is(end.exitCode, 6, end.stdout + end.stderr)
    const message = `The 2 nodes of the run did not meet at ${master} within 0.1 min (this is node ${rank}).`
    t.like(jsonOf(end as CliResult), {error: {code: 'E_NODES_APART', message}})
    t.deepEqual(await processesLeft(mark, 500), [])
  }
})
