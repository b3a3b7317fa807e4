import {join} from 'node:path'
import test from 'ava'
import {jsonOf, runCli, type CliResult} from '../helpers/cli.js'
import {makeWorkplace} from '../helpers/damage.js'
import {assertResumesBitEqual} from '../helpers/killed-training.js'
import {markedProcesses, processesLeft} from '../helpers/python.js'
import {losses, startTwo, train} from '../helpers/two-processes.js'

test('20 stops at random moments of two processes under the launcher change no bit', async (t) => {
  t.timeout(600_000)
  await assertResumesBitEqual(t, {kills: 20, seed: 200, epochs: 40, args: ['--nproc', '2', '--ema', '0.9']})
})

test('when one of two processes dies, all end in a sentence and the steps so far are saved', async (t) => {
  const place = await makeWorkplace(t)
  const {cli, mark, folder} = await startTwo(place)
  process.kill(Number(markedProcesses(mark, 'launched.py').at(-1)), 'SIGKILL')
  const end = await cli
  t.is(end.exitCode, 7)
  t.like(jsonOf(end as CliResult), {error: {code: 'E_BRIDGE_CRASH', exitCode: 7}})
  t.regex(end.stdout, /in process 1 of 2 \(signal SIGKILL\)/)
  t.deepEqual(await processesLeft(mark, 500), [])
  const log = await losses(folder)
  const resumed = await runCli(['train', '--resume', folder, '--max-steps', `${log.length + 2}`, '--json'])
  t.is(resumed.exitCode, 0, resumed.stdout + resumed.stderr)
  t.like(jsonOf(resumed), {steps: log.length + 2})
  t.is((await losses(folder)).length, log.length + 2)
})

test('Ctrl-C ends two processes after a step, with its state saved', async (t) => {
  const {cli, mark, folder} = await startTwo(await makeWorkplace(t))
  cli.kill('SIGINT')
  const end = await cli
  t.is(end.exitCode, 130, end.stdout + end.stderr)
  t.deepEqual(await processesLeft(mark, 500), [])
  const step = (await losses(folder)).length
  const resumed = await runCli(['train', '--resume', folder, '--max-steps', `${step + 1}`, '--json'])
  t.is(resumed.exitCode, 0, resumed.stdout + resumed.stderr)
  t.like(jsonOf(resumed), {steps: step + 1})
})

test('a mistake that the processes find is told once, in a sentence', async (t) => {
  const place = await makeWorkplace(t)
  const settings = [
    '--nproc',
    '2',
    '--freeze',
    'nothing.of.this.name',
    '--output-dir',
    join(place.folder, 'run'),
  ]
  const end = await train(place, settings)
  t.is(end.exitCode, 3)
  t.like(jsonOf(end), {error: {message: '--freeze nothing.of.this.name matches no parameter.'}})
})
