import {existsSync} from 'node:fs'
import {readFile, readdir} from 'node:fs/promises'
import {join} from 'node:path'
import {setTimeout as delay} from 'node:timers/promises'
import test, {type ExecutionContext} from 'ava'
import {execFileSync, spawn, type ChildProcess} from 'node:child_process'
import {cliFile, jsonOf, runCli, type CliResult} from '../helpers/cli.js'
import {makeWorkplace, type Workplace} from '../helpers/damage.js'
import {packageRoot} from '../../src/paths.js'
import {markedProcesses, processesLeft, processMark, python, type ProcessMark} from '../helpers/python.js'

test.serial(
  'Ctrl-C in train ends after the step, with a state to go on from, exit 130 and no Python',
  async (t) => {
    const place = await makeWorkplace(t)
    const run = await startTraining(t, place)
    run.interrupt()
    const end = await run.end
    t.is(end.exitCode, 130)
    t.is(end.stdout, '')
    const folder = join(place.folder, 'run')
    t.true(end.stderr.includes('stopping after this step; press Ctrl-C again to end at once'))
    t.true(end.stderr.includes('Error: Stopped in order; the state of the last step is saved'))
    t.true(end.stderr.includes(`Next: Go on with \`vilbert-ts train --resume ${folder}\`.`))
    t.deepEqual(await processesLeft(run.mark, 500), [])

    const step = await savedStep(folder)
    const logged = await steps(folder)
    t.is(logged.at(-1), step)
    t.deepEqual(
      logged,
      [...logged.keys()].map((index) => index + 1),
    )
    t.deepEqual(leftovers(folder, await readdir(folder, {recursive: true})), [])
    execFileSync(python, ['-c', SAME_NAMES, place.weights, join(folder, 'last.pdparams')], {stdio: 'pipe'})
    const model = ['--from-pretrained', join(folder, 'last.pdparams')]
    t.is((await runCli(['eval', '--data-root', place.dataRoot, ...model, '--json'])).exitCode, 0)

    const resumed = await resume(folder, step)
    t.is(resumed.exitCode, 0, resumed.stdout + resumed.stderr)
    t.like(jsonOf(resumed), {steps: step + 3})
  },
)

test.serial('with --json an interrupted run answers with one document', async (t) => {
  const place = await makeWorkplace(t)
  const run = await startTraining(t, place, '--json')
  run.interrupt()
  const end = await run.end
  t.is(end.exitCode, 130)
  t.like(jsonOf(end), {error: {code: 'E_INTERRUPTED', exitCode: 130}})
  t.deepEqual(await processesLeft(run.mark, 500), [])
})

test.serial('a second Ctrl-C ends at once, and what was saved before is whole', async (t) => {
  const place = await makeWorkplace(t)
  const run = await startTraining(t, place, '--save-every-steps', '5')
  const folder = join(place.folder, 'run')
  await until(() => existsSync(join(folder, 'last.pdparams')))
  for (const pid of markedProcesses(run.mark, 'boot.py')) process.kill(Number(pid), 'SIGSTOP') // a step that never ends
  run.interrupt()
  await until(() => run.stderr().includes('press Ctrl-C again'))
  const startMs = performance.now()
  run.interrupt()
  const end = await run.end
  t.true(performance.now() - startMs < 1500, `${performance.now() - startMs} ms`)
  t.is(end.exitCode, 130)
  t.deepEqual(await processesLeft(run.mark, 500), [])
  const resumed = await resume(folder, await savedStep(folder))
  t.is(resumed.exitCode, 0, resumed.stdout + resumed.stderr)
})

test.serial(
  'Python killed in the middle of a run is exit code 7 and one sentence; its last state is whole',
  async (t) => {
    const place = await makeWorkplace(t)
    const run = await startTraining(t, place, '--save-every-steps', '5', '--json')
    const folder = join(place.folder, 'run')
    await until(() => existsSync(join(folder, 'last.pdparams')))
    for (const pid of markedProcesses(run.mark, 'boot.py')) process.kill(Number(pid), 'SIGKILL')
    const end = await run.end
    t.is(end.exitCode, 7)
    t.like(jsonOf(end), {error: {code: 'E_BRIDGE_CRASH', exitCode: 7}})
    t.deepEqual(await processesLeft(run.mark, 500), [])
    const model = ['--from-pretrained', join(folder, 'last.pdparams')]
    const judged = await runCli(['eval', '--data-root', place.dataRoot, ...model, '--json'])
    t.is(judged.exitCode, 0, judged.stdout)
  },
)

/** Stock Paddle reads two checkpoints, which must hold the same names. */
const SAME_NAMES = 'import sys, paddle; a, b = map(paddle.load, sys.argv[1:]); assert set(a) == set(b)'

type Training = {
  readonly mark: ProcessMark
  readonly stderr: () => string
  /** Ctrl-C as a terminal sends it: to every process of the foreground group. */
  readonly interrupt: () => void
  readonly end: Promise<CliResult>
}

/** Starts a training run of many short epochs in a process group of its own, and waits for its first steps. */
async function startTraining(t: ExecutionContext, place: Workplace, ...more: string[]): Promise<Training> {
  const {folder, dataRoot, config} = place
  const output = join(folder, 'run')
  const settings = [
    '--output-dir',
    output,
    '--epochs',
    '400',
    '--decay-epochs',
    'none',
    '--batch-size',
    '8',
    ...more,
  ]
  const mark = processMark()
  const child = spawn(
    process.execPath,
    [cliFile, 'train', '--data-root', dataRoot, '--config', config, ...settings],
    {cwd: packageRoot, detached: true, stdio: ['ignore', 'pipe', 'pipe'], env: environment(mark)},
  )
  const pid = child.pid ?? 0
  t.teardown(() => {
    if (child.exitCode === null && child.signalCode === null) process.kill(-pid, 'SIGKILL')
  })
  const {end, text} = collect(child)
  const ended = end.then(({stdout, stderr}) => Promise.reject(new Error(stdout + stderr)))
  ended.catch(() => undefined) // Once the first steps are there, its end is what the test waits for.
  await Promise.race([until(async () => (await steps(output)).length > 0), ended])
  return {mark, end, stderr: () => text.stderr, interrupt: () => process.kill(-pid, 'SIGINT')}
}

function environment(mark: ProcessMark): NodeJS.ProcessEnv {
  return {...process.env, NODE_ENV: '', ...mark.env}
}

function collect(child: ChildProcess) {
  const text = {stdout: '', stderr: ''}
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (chunk: string) => (text[name] += chunk))
  }
  const end = new Promise<CliResult>((resolve) => {
    child.once('close', (code, signal) => {
      resolve({...text, exitCode: code ?? undefined, signal: signal ?? undefined})
    })
  })
  return {end, text}
}

/** The numbers of the steps in the log. */
async function steps(folder: string): Promise<number[]> {
  const log = await readFile(join(folder, 'metrics.jsonl'), 'utf8').catch(() => '')
  const lines = log.split('\n').filter((line) => line.endsWith('}'))
  const events = lines.map((line) => JSON.parse(line) as {type: string; step: number})
  return events.filter(({type}) => type === 'step').map(({step}) => step)
}

/** The step of the newest state. */
async function savedStep(folder: string): Promise<number> {
  const newest = (await readdir(join(folder, 'states'))).sort().at(-1) ?? ''
  const state = await readFile(join(folder, 'states', newest, 'state.json'), 'utf8')
  return (JSON.parse(state) as {step: number}).step
}

/** Goes on for three steps. */
function resume(folder: string, step: number): Promise<CliResult> {
  return runCli(['train', '--resume', folder, '--max-steps', `${step + 3}`, '--json'])
}

/** Names that only an unfinished file or state has. */
function leftovers(folder: string, names: readonly string[]): readonly string[] {
  return names
    .filter((name) => name.split('/').some((part) => part.startsWith('.')))
    .map((name) => join(folder, name))
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + 60_000
  while (!(await condition())) {
    if (performance.now() > deadlineMs) throw new Error('it did not come to that within a minute')
    await delay(20)
  }
}
