import {constants} from 'node:os'
import type {ZodType} from 'zod'
import type {VilbertError} from '../errors.js'
import {NodesApartError} from '../model/nodes.js'
import {
  BridgeCancelledError,
  BridgeCrashError,
  BridgeError,
  BridgeLostError,
  BridgeSpawnError,
} from './errors.js'
import {fit} from './fit.js'
import {LaunchedProcesses, type LaunchOptions, type Message} from './launched-processes.js'
import {errorFrom, isRecord} from './protocol.js'

export type LaunchedStreamOptions<E, R> = LaunchOptions & {
  readonly event: ZodType<E>
  readonly result: ZodType<R>
  readonly signal?: AbortSignal | undefined
  /** How long the processes may take to end in order once they were asked to. */
  readonly graceMs: number
}

/** After a failure the others may still save or fail, too; whose failure came first is then known. */
const SETTLE_MS = 1500

/**
 * As `Bridge.stream`, but the generator function runs in several processes under Paddle's launcher, all in step. The
 * events are those of the first process of this machine. Aborting the signal ends all at their next event, where they
 * save; leaving the loop does the same. Where there are several nodes, this is the part of one of them.
 * @throws the error of the process that failed first; BridgeCrashError where one died, BridgeLostError where one of
 * another node did; BridgeCancelledError, also where another node was stopped; NetworkError if the nodes do not meet
 */
export async function* launchedStream<E, R>(
  options: LaunchedStreamOptions<E, R>,
): AsyncGenerator<E, R, void> {
  const {fn, signal} = options
  signal?.throwIfAborted()
  await using processes = await LaunchedProcesses.start(options)
  const work = new Work(processes, options)
  const stop = (): void => {
    work.stop()
  }
  signal?.addEventListener('abort', stop, {once: true})
  try {
    for (;;) {
      const event = await work.nextEvent()
      if (event === undefined) break
      yield fit(options.event, event, `An event of ${fn}`)
    }
    if (work.isStopped) throw new BridgeCancelledError(`${fn} was cancelled.`, {}, {cause: signal?.reason})
    if (work.result === undefined) throw new BridgeCancelledError(`${fn} was stopped on another node.`)
    return fit(options.result, work.result, `The result of ${fn}`)
  } catch (error) {
    if (!work.isStopped || error instanceof BridgeCancelledError) throw error
    throw new BridgeCancelledError(`${fn} was cancelled.`, {}, {cause: error})
  } finally {
    signal?.removeEventListener('abort', stop)
    if (!work.isOver) {
      work.stop()
      while ((await work.nextEvent()) !== undefined);
    }
  }
}

/** Follows the processes until all have ended, and keeps what the first one gave. */
class Work {
  result: unknown
  isOver = false
  isStopped = false
  readonly #processes: LaunchedProcesses
  readonly #options: LaunchedStreamOptions<unknown, unknown>
  readonly #joined = new Set<number>()
  readonly #finished = new Set<number>()
  #deadline: number

  constructor(processes: LaunchedProcesses, options: LaunchedStreamOptions<unknown, unknown>) {
    this.#processes = processes
    this.#options = options
    const {nodes} = options
    this.#deadline = nodes === undefined ? Infinity : performance.now() + 60_000 * nodes.joinMinutes
  }

  /** Asks for an orderly end; processes that have not begun yet have nothing to save. */
  stop(): void {
    if (this.isStopped || this.isOver) return
    this.isStopped = true
    this.#deadline = performance.now() + (this.#processes.haveStarted ? this.#options.graceMs : 0)
    this.#processes.requestStop()
    this.#processes.wake()
  }

  /** The next event, or undefined once every process has ended as it should. */
  async nextEvent(): Promise<unknown> {
    for (;;) {
      const message = await this.#processes.next(() => this.#deadline)
      if (message?.kind === 'event') return message.value
      if (message?.kind === 'joined') {
        this.#join(message.rank)
        continue
      }
      if (message?.kind === 'result') {
        this.result ??= message.value ?? undefined
        this.#finished.add(message.rank)
        if (this.#finished.size < this.#options.count) continue
      }
      this.isOver = true
      const {nodes} = this.#options
      if (message === undefined && nodes !== undefined && !this.isStopped) throw new NodesApartError(nodes)
      if (message === undefined || message.kind === 'result') return undefined
      throw await this.#explain(message)
    }
  }

  /** Once the processes of all nodes have met, the work may take its time. */
  #join(rank: number): void {
    this.#joined.add(rank)
    if (this.#joined.size === this.#options.count && !this.isStopped) this.#deadline = Infinity
  }

  /** Of several failures the cause: a process that died, a mistake of the user's, and only then a broken line. */
  async #explain(first: Message): Promise<Error> {
    const failures = [first]
    const deadline = performance.now() + SETTLE_MS
    while (failures.length < this.#options.count) {
      const message = await this.#processes.next(() => deadline)
      if (message === undefined || message.kind === 'launcherEnded') break
      if (message.kind !== 'event') failures.push(message)
    }
    const lost = failures.find(({kind}) => kind === 'lost')
    if (lost?.kind === 'lost') {
      const crash = await this.#crash(lost.rank)
      await this.#letWriterSave(failures)
      return crash
    }
    const errors = failures.flatMap((each) => (each.kind === 'error' ? [errorOf(each.value)] : []))
    const isCause = (error: VilbertError): boolean => !(error instanceof BridgeLostError)
    const mistake = errors.find((error) => isCause(error) && error.code !== 'E_PYTHON')
    return mistake ?? errors.find(isCause) ?? errors[0] ?? (await this.#launcherError())
  }

  async #crash(rank: number): Promise<BridgeCrashError> {
    const code = await this.#processes.exitCodeOf(rank)
    const isSignal = code !== undefined && code < 0
    const end = {
      pythonExitCode: isSignal || code === undefined ? null : code,
      pythonSignal: isSignal ? signalName(-code) : null,
      stderrTail: await this.#processes.textOf(rank),
    }
    const {fn, count, nodes} = this.#options
    const who = nodes === undefined ? `of ${count}` : `on node ${nodes.rank} of ${nodes.count}`
    return new BridgeCrashError(end, `${fn} in process ${rank} ${who}`)
  }

  /** The first process saves when it finds another one gone, and says so by its own error; the launcher would not wait. */
  async #letWriterSave(failures: readonly Message[]): Promise<void> {
    const isWriters = (message: Message): boolean => 'rank' in message && message.rank === 0
    if (failures.some(isWriters) || (this.#options.nodes?.rank ?? 0) > 0) return
    this.#processes.holdLauncher()
    const deadline = performance.now() + this.#options.graceMs
    for (;;) {
      const message = await this.#processes.next(() => deadline)
      if (message === undefined || (isWriters(message) && message.kind !== 'event')) return
    }
  }

  async #launcherError(): Promise<BridgeError> {
    const stderrTail = await this.#processes.textOf(undefined)
    const launcher = '`python -m paddle.distributed.launch`'
    if (this.#processes.haveStarted) return new BridgeError(`${launcher} ended before the work was done.`)
    return new BridgeSpawnError(`${launcher} ended before its processes had started.`, {stderrTail})
  }
}

function signalName(number: number): NodeJS.Signals | null {
  const [name] = Object.entries(constants.signals).find(([, each]) => each === number) ?? []
  return (name as NodeJS.Signals | undefined) ?? null
}

function errorOf(value: unknown): VilbertError {
  return errorFrom(isRecord(value) ? value : {})
}
