import {createHash} from 'node:crypto'
import {existsSync, readdirSync, readFileSync} from 'node:fs'
import {join} from 'node:path'
import {setTimeout as delay} from 'node:timers/promises'
import type {ExecutionContext} from 'ava'
import {jsonOf, runCli, startCli, type CliResult} from './cli.js'
import type {Workplace} from './damage.js'
import {markedProcesses, processesLeft, processMark} from './python.js'

/** A training run that is under way and has saved a state. */
export type MidRun = {
  readonly folder: string
  readonly pythonPid: number
  readonly interrupt: () => void
  /** Waits for its end and sees to it that nothing of it is left. */
  readonly end: () => Promise<CliResult>
}

/** Starts a training that would go on for long and waits for its first saved state. */
export async function startMidRun(t: ExecutionContext, place: Workplace, output: string): Promise<MidRun> {
  const mark = processMark()
  const cli = startCli(command(place, output, ['--epochs', '4000']), {env: mark.env})
  t.teardown(() => cli.kill('SIGKILL'))
  const ended = cli.then(({stdout, stderr}) => Promise.reject(new Error(stdout + stderr)))
  ended.catch(() => undefined) // Once a state is there, its end is what the test waits for.
  const hasState = async (): Promise<void> => {
    while (!existsSync(join(output, 'last.pdparams'))) await delay(20)
  }
  await Promise.race([hasState(), ended])
  return {
    folder: output,
    pythonPid: Number(markedProcesses(mark, 'boot.py')[0]),
    interrupt: () => cli.kill('SIGINT'),
    end: async () => {
      const {stdout, stderr, exitCode, signal} = await cli
      t.deepEqual(await processesLeft(mark, 500), [])
      return {stdout, stderr, exitCode, signal}
    },
  }
}

/** The last checkpoint can be used, and the run goes on as if nothing had happened. */
export async function assertGoesOn(t: ExecutionContext, place: Workplace, folder: string): Promise<void> {
  const last = join(folder, 'last.pdparams')
  const judged = await runCli(['eval', '--data-root', place.dataRoot, '--from-pretrained', last, '--json'])
  t.is(judged.exitCode, 0, judged.stdout + judged.stderr)
  const steps = savedStep(folder) + 3
  const resumed = await runCli(['train', '--resume', folder, '--max-steps', `${steps}`, '--json'])
  t.is(resumed.exitCode, 0, resumed.stdout + resumed.stderr)
  t.like(jsonOf(resumed), {steps})
  const straight = join(place.folder, 'straight')
  const settings = ['--epochs', '4000', '--max-steps', `${steps}`]
  t.is((await runCli(command(place, straight, settings))).exitCode, 0)
  t.is(digest(last), digest(join(straight, 'last.pdparams')))
  t.deepEqual(losses(folder), losses(straight))
}

/** The rate never changes, so that a run of other length takes the same steps. */
function command(
  {dataRoot, config, weights}: Workplace,
  output: string,
  settings: readonly string[],
): string[] {
  const source = ['--data-root', dataRoot, '--config', config, '--from-pretrained', weights]
  const fixed = [
    '--batch-size',
    '8',
    '--warmup-fraction',
    '0',
    '--decay-epochs',
    'none',
    '--save-every-steps',
    '5',
  ]
  return ['train', ...source, ...fixed, '--output-dir', output, '--json', ...settings]
}

function savedStep(folder: string): number {
  const newest = readdirSync(join(folder, 'states')).sort().at(-1) ?? ''
  const state: unknown = JSON.parse(readFileSync(join(folder, 'states', newest, 'state.json'), 'utf8'))
  return (state as {step: number}).step
}

function digest(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex')
}

function losses(folder: string): unknown[] {
  const lines = readFileSync(join(folder, 'metrics.jsonl'), 'utf8').trim().split('\n')
  return lines.map((line) => JSON.parse(line) as {loss?: number}).map(({loss}) => loss)
}
