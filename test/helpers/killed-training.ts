import {createHash} from 'node:crypto'
import {existsSync, readdirSync, readFileSync} from 'node:fs'
import {join} from 'node:path'
import {setTimeout as delay} from 'node:timers/promises'
import type {ExecutionContext} from 'ava'
import {runCli, startCli} from './cli.js'
import {golden, goldenDataRoot} from './golden.js'
import {markedProcesses, processesLeft, processMark, seededRandom} from './python.js'

/** Who is stopped, and how. */
const stops = ['Python by SIGKILL', 'Node by SIGKILL', 'both by SIGKILL', 'Ctrl-C'] as const

/** Trains once in peace and once through kills: final weights and every logged loss must be the same to the bit. */
export async function assertResumesBitEqual(
  t: ExecutionContext,
  options: {
    readonly kills: number
    readonly seed: number
    readonly epochs: number
    readonly args: readonly string[]
    readonly env?: Readonly<Record<string, string>>
  },
): Promise<void> {
  const dataRoot = await goldenDataRoot(t)
  const args = [
    ...['--data-root', dataRoot, '--config', join(golden, 'config.json')],
    ...[
      '--from-pretrained',
      join(golden, 'weights.pdparams'),
      '--epochs',
      `${options.epochs}`,
      '--batch-size',
      '8',
    ],
    ...['--decay-epochs', '4,6', '--save-every-steps', '3', ...options.args],
  ]
  const straight = join(dataRoot, 'straight')
  const {env = {}} = options
  const outcome = await runCli(['train', ...args, '--output-dir', straight, '--json'], {
    env,
    timeoutMs: 300_000,
  })
  t.is(outcome.exitCode, 0, outcome.stdout + outcome.stderr)
  const runFolder = join(dataRoot, 'broken')
  const ends = await trainThroughKills({
    ...options,
    env,
    args: [...args, '--output-dir', runFolder],
    runFolder,
  })
  t.log(ends.join(', '))
  t.is(digest(join(runFolder, 'last.pdparams')), digest(join(straight, 'last.pdparams')))
  t.deepEqual(loggedIn(runFolder), loggedIn(straight))
}

function digest(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex')
}

/** Every logged step and epoch, but for how long they took. */
function loggedIn(run: string): unknown[] {
  const lines = readFileSync(join(run, 'metrics.jsonl'), 'utf8').trim().split('\n')
  return lines.map((line) => ({...(JSON.parse(line) as object), seconds: null}))
}

type KilledTraining = {
  /** Arguments of the first `vilbert-ts train`; it is resumed by its folder alone. */
  readonly args: readonly string[]
  readonly runFolder: string
  /** How often the run is stopped before it may end. */
  readonly kills: number
  readonly seed: number
  readonly env: Readonly<Record<string, string>>
}

/**
 * Trains, stops the training at a random moment after its first logged step, resumes it, and so on, until it was
 * stopped often enough; then lets it end. Gives how each attempt ended.
 */
async function trainThroughKills({args, runFolder, kills, seed, env}: KilledTraining): Promise<string[]> {
  const random = seededRandom(seed)
  const ends: string[] = []
  for (let attempt = 0; attempt <= kills; attempt++) {
    const isResumable =
      existsSync(join(runFolder, 'states')) &&
      readdirSync(join(runFolder, 'states')).some((name) => name.startsWith('step-'))
    const command = isResumable
      ? ['train', '--resume', runFolder, '--json']
      : ['train', ...args, '--overwrite', '--json']
    const mark = processMark()
    const cli = startCli(command, {env: {...env, ...mark.env}, timeoutMs: 120_000})
    const ended = cli.then(({exitCode, signal}) => exitCode ?? signal)
    if (attempt < kills) {
      await firstStep(runFolder, cli)
      await delay(random() * 400)
      stop(stops[attempt % stops.length] ?? 'Ctrl-C', cli.pid ?? 0, mark)
    }
    ends.push(`${stops[attempt % stops.length]}: ${await ended}`)
    const left = await processesLeft(mark, 3000)
    if (left.length > 0) throw new Error(`still running: ${left.join(', ')}`)
  }
  return ends
}

/** Waits until this attempt has logged something, or has ended. */
async function firstStep(runFolder: string, cli: ReturnType<typeof startCli>): Promise<void> {
  const log = join(runFolder, 'metrics.jsonl')
  const before = linesOf(log)
  const over = new AbortController()
  void cli.finally(() => {
    over.abort()
  })
  for (let waitedMs = 0; waitedMs < 60_000 && !over.signal.aborted; waitedMs += 10) {
    if (existsSync(log) && linesOf(log) !== before) return
    await delay(10)
  }
}

function linesOf(log: string): number {
  return existsSync(log) ? readFileSync(log, 'utf8').split('\n').length : 0
}

/** The Python of the bridge, or one of those under the launcher: when one is gone, all must end. */
function pythonsOf(mark: ReturnType<typeof processMark>): readonly string[] {
  const launched = markedProcesses(mark, 'launched.py')
  return launched.length === 0 ? markedProcesses(mark, 'boot.py') : launched.slice(-1)
}

function stop(how: (typeof stops)[number], nodePid: number, mark: ReturnType<typeof processMark>): void {
  const pythons = pythonsOf(mark).map(Number)
  const [signal, pids]: [NodeJS.Signals, number[]] =
    how === 'Ctrl-C'
      ? ['SIGINT', [nodePid]]
      : how === 'Node by SIGKILL'
        ? ['SIGKILL', [nodePid]]
        : how === 'Python by SIGKILL'
          ? ['SIGKILL', pythons]
          : ['SIGKILL', [...pythons, nodePid]]
  for (const pid of pids) {
    try {
      process.kill(pid, signal)
    } catch {
      // It ended by itself in the meantime.
    }
  }
}
