import {once} from 'node:events'
import {readFile} from 'node:fs/promises'
import {createServer, type AddressInfo} from 'node:net'
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

/** `train` of the workplace's model in --json. */
export function trainCommand({dataRoot, config, weights}: Workplace, settings: readonly string[]): string[] {
  const source = ['--data-root', dataRoot, '--config', config, '--from-pretrained', weights]
  return ['train', ...source, '--batch-size', '8', '--decay-epochs', 'none', '--json', ...settings]
}

/** Starts a long training in two processes and waits until it has logged steps. */
export async function startTwo(place: Workplace) {
  const folder = join(place.folder, 'run')
  const mark = processMark()
  const settings = ['--nproc', '2', '--epochs', '4000', '--output-dir', folder]
  const cli = startCli(trainCommand(place, settings), {env: mark.env})
  await firstSteps(folder, cli)
  return {cli, mark, folder}
}

/** Starts a node of a training of two, with one process. */
export function startNode(command: readonly string[], rank: number, master: string) {
  const mark = processMark()
  const nodes = ['--nnodes', '2', '--node-rank', `${rank}`, '--master', master, '--json']
  const cli = startCli([...command, ...nodes], {env: mark.env, timeoutMs: 120_000})
  return {cli, mark}
}

/** Starts a long training over two nodes and waits until it has logged steps. */
export async function startTwoNodes(place: Workplace) {
  const folder = join(place.folder, 'run')
  const master = await freeMaster()
  const command = trainCommand(place, ['--epochs', '4000', '--output-dir', folder])
  const [first, second] = [startNode(command, 0, master), startNode(command, 1, master)]
  await firstSteps(folder, first.cli)
  return {first, second, folder}
}

/** An address of this machine that nobody uses at the moment. */
export async function freeMaster(): Promise<string> {
  const server = createServer().listen(0)
  await once(server, 'listening')
  const {port} = server.address() as AddressInfo
  server.close()
  return `127.0.0.1:${port}`
}

async function firstSteps(folder: string, cli: ReturnType<typeof startCli>): Promise<void> {
  const ended = cli.then(({stdout, stderr}) => Promise.reject(new Error(stdout + stderr)))
  ended.catch(() => undefined) // Once the first steps are there, its end is what the test waits for.
  const hasSteps = async (): Promise<void> => {
    while ((await losses(folder)).length < 3) await delay(20)
  }
  await Promise.race([hasSteps(), ended])
}

/** The logged losses, one for each step. */
export async function losses(folder: string): Promise<number[]> {
  const log = await readFile(join(folder, 'metrics.jsonl'), 'utf8').catch(() => '')
  const lines = log.split('\n').filter((line) => line.endsWith('}') && line.includes('"type": "step"'))
  const steps = lines.map((line) => stepSchema.parse(JSON.parse(line)))
  if (steps.some(({step}, index) => step !== index + 1)) throw new Error(`steps are missing in ${log}`)
  return steps.map(({loss}) => loss)
}
