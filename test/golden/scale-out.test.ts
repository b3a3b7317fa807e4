import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import test from 'ava'
import {jsonOf, runCli} from '../helpers/cli.js'
import {makeWorkplace} from '../helpers/damage.js'
import {markedProcesses, processesLeft} from '../helpers/python.js'
import {losses, startTwo, train} from '../helpers/two-processes.js'

test('two processes give the losses of one within 1e-4, and eval of two the rows of one', async (t) => {
  const place = await makeWorkplace(t)
  const [one, two] = [join(place.folder, 'one'), join(place.folder, 'two')]
  for (const [folder, nproc] of [
    [one, '1'],
    [two, '2'],
  ] as const) {
    const settings = ['--epochs', '2', '--dropout', '0', '--nproc', nproc, '--output-dir', folder]
    const run = await train(place, settings)
    t.is(run.exitCode, 0, run.stdout + run.stderr)
    t.like(jsonOf(run), {steps: 16, epochs: 2})
  }
  const [expected, found] = [await losses(one), await losses(two)]
  t.is(found.length, 16)
  for (const [index, loss] of found.entries()) {
    const wanted = expected[index] ?? NaN
    t.true(Math.abs(loss / wanted - 1) < 1e-4, `step ${index + 1}: ${loss} for ${wanted}`)
  }

  // What a job manager sets for a launcher of its own is nothing to ours.
  const surroundings = {PADDLE_MASTER: '127.0.0.1:9', PADDLE_NNODES: '3', PADDLE_NPROC_PER_NODE: '1'}
  const rows: string[] = []
  for (const nproc of ['1', '2']) {
    const results = join(place.folder, `rows-${nproc}.json`)
    const judged = await runCli(
      [
        ...['eval', '--data-root', place.dataRoot, '--from-pretrained', join(two, 'last.pdparams')],
        ...['--split', 'train', '--batch-size', '8', '--nproc', nproc],
        ...['--results', results, '--logits', '--json'],
      ],
      {env: {...surroundings, OMP_NUM_THREADS: '1'}}, // so that both cut their matrices alike
    )
    t.is(judged.exitCode, 0, judged.stdout + judged.stderr)
    rows.push(await readFile(results, 'utf8'))
  }
  t.is(rows[0], rows[1])
})

test('when Node dies, neither the launcher nor its processes are left half a second later', async (t) => {
  const {cli, mark} = await startTwo(await makeWorkplace(t))
  t.true(markedProcesses(mark).length >= 4)
  cli.kill('SIGKILL')
  await cli
  t.deepEqual(await processesLeft(mark, 500), [])
})

test('GPUs that are not there are an environment error', async (t) => {
  const place = await makeWorkplace(t)
  const end = await train(place, ['--devices', 'gpu:0,1', '--output-dir', join(place.folder, 'run')])
  t.is(end.exitCode, 5)
  t.regex(end.stdout, /--devices gpu:0,1 needs a GPU, but this Paddle is built for CPUs/)
})
