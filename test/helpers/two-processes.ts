import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {setTimeout as delay} from 'node:timers/promises'
import {z} from 'zod'
import {runCli, startCli, type CliResult} from './cli.js'
import type {Workplace} from './damage.js'
import {processMark} from './python.js'

const stepSchema = z.object({type: z.literal('step'), step: z.number(), loss: z.number()})

/** Trains the workplace's model to the end. */
export function train(place: Workplace, settings: readonly string[]): Promise<CliResult> {
  return runCli(trainCommand(place, settings))
}

function trainCommand({dataRoot, config, weights}: Workplace, settings: readonly string[]): string[] {
  const source = ['--data-root', dataRoot, '--config', config, '--from-pretrained', weights]
  return ['train', ...source, '--batch-size', '8', '--decay-epochs', 'none', '--json', ...settings]
}

/** Starts a long training in two processes and waits until it has logged steps. */
export async function startTwo(place: Workplace) {
  const folder = join(place.folder, 'run')
  const mark = processMark()
  const settings = ['--nproc', '2', '--epochs', '4000', '--output-dir', folder]
  const cli = startCli(trainCommand(place, settings), {env: mark.env})
  const ended = cli.then(({stdout, stderr}) => Promise.reject(new Error(stdout + stderr)))
  ended.catch(() => undefined) // Once the first steps are there, its end is what the test waits for.
  const hasSteps = async (): Promise<void> => {
    while ((await losses(folder)).length < 3) await delay(20)
  }
  await Promise.race([hasSteps(), ended])
  return {cli, mark, folder}
}

/** The logged losses, one for each step. */
export async function losses(folder: string): Promise<number[]> {
  const log = await readFile(join(folder, 'metrics.jsonl'), 'utf8').catch(() => '')
  const lines = log.split('\n').filter((line) => line.endsWith('}') && line.includes('"type": "step"'))
  const steps = lines.map((line) => stepSchema.parse(JSON.parse(line)))
  if (steps.some(({step}, index) => step !== index + 1)) throw new Error(`steps are missing in ${log}`)
  return steps.map(({loss}) => loss)
}
