import {once} from 'node:events'
import {mkdtemp, readFile, rm, writeFile} from 'node:fs/promises'
import {createServer, type Server, type Socket} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {createInterface} from 'node:readline'
import {execa} from 'execa'
import {kernelEnvironment} from '../kernels/folders.js'
import type {Nodes} from '../model/nodes.js'
import {pythonRoot} from '../paths.js'
import {computeThreads} from './compute-threads.js'
import {decodeJson, isRecord} from './protocol.js'

/** What Paddle says of its connections and flags when it starts is nobody's last word. */
const CHATTER = /^(?:I\d{4} .*\n|=+ Modified FLAGS detected =+\n[^=]*=[^]*?^=+\n|.*No ccache found.*\n.*\n)/gm

export type LaunchOptions = {
  readonly python: string
  /** 'package.module:function' of a generator that every process goes through. */
  readonly fn: string
  readonly request: unknown
  /** Processes on this machine; on GPUs one for each of them. */
  readonly count: number
  /** GPUs by number; none: the processes compute on the CPU. */
  readonly gpus?: readonly number[] | undefined
  /** The machines that each run such processes; none: this one alone. */
  readonly nodes?: Nodes | undefined
  readonly env?: NodeJS.ProcessEnv | undefined
  readonly onStderr?: ((text: string) => void) | undefined
}

/** What a process says, or what became of it. */
export type Message =
  | {readonly kind: 'event' | 'result' | 'error'; readonly rank: number; readonly value: unknown}
  | {readonly kind: 'joined' | 'lost'; readonly rank: number}
  | {readonly kind: 'launcherEnded'}

/** How long the launcher may take to say how a process ended; it looks every second. */
const VERDICT_MS = 3000

/**
 * The processes that `python -m paddle.distributed.launch` starts. They connect to a socket of ours, where they tell
 * what happens (see `launched.py`); nothing here interprets it. Each of them, and the launcher, also has a lifeline:
 * when Node is gone, the kernel ends them.
 */
export class LaunchedProcesses implements AsyncDisposable {
  readonly #folder: string
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #lines = new Map<number, Socket>()
  readonly #pids = new Set<number>()
  readonly #messages: Message[] = []
  readonly #options: LaunchOptions
  #launcher: ReturnType<typeof launch> | undefined
  #launcherText = ''
  #wake: (() => void) | undefined

  private constructor(folder: string, options: LaunchOptions) {
    this.#folder = folder
    this.#options = options
    this.#server = createServer((socket) => {
      this.#welcome(socket)
    })
  }

  static async start(options: LaunchOptions): Promise<LaunchedProcesses> {
    const folder = await mkdtemp(join(tmpdir(), 'vilbert-ts-launch-'))
    const processes = new LaunchedProcesses(folder, options)
    try {
      await processes.#start()
      return processes
    } catch (error) {
      await processes[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Whether all processes have said hello. */
  get haveStarted(): boolean {
    return this.#lines.size === this.#options.count
  }

  /** The next message, in the order in which they came; undefined once the deadline is over, which may move. */
  async next(deadline: () => number): Promise<Message | undefined> {
    for (;;) {
      const message = this.#messages.shift()
      if (message !== undefined) return message
      const restMs = deadline() - performance.now()
      if (restMs <= 0) return undefined
      await this.#change(restMs)
    }
  }

  /** Lets whoever waits for a message look at the deadline again. */
  wake(): void {
    this.#wake?.()
  }

  /** Asks all to end at their next event; the first one passes it on. */
  requestStop(): void {
    for (const socket of this.#lines.values()) if (!socket.destroyed) socket.write('stop\n')
  }

  /** The exit code that the launcher saw of a process, as far as it tells; below 0 it is a signal. */
  async exitCodeOf(rank: number): Promise<number | undefined> {
    const verdict = new RegExp(`Container rank ${this.#placeOf(rank)} status \\w+ .* code (-?\\d+) `)
    const deadline = performance.now() + VERDICT_MS
    while (performance.now() < deadline && this.#launcher !== undefined) {
      const code = verdict.exec(this.#launcherText)?.[1]
      if (code !== undefined) return Number(code)
      await Promise.race([new Promise((resolve) => setTimeout(resolve, 50)), this.#launcher])
    }
    return undefined
  }

  /** Keeps the launcher from ending the other processes of one that died; its lifeline ends it even so. */
  holdLauncher(): void {
    this.#launcher?.kill('SIGSTOP')
  }

  /** The last text that a process wrote to stderr, or the launcher. */
  async textOf(rank: number | undefined): Promise<string> {
    if (rank === undefined) return this.#launcherText
    const log = join(this.#folder, 'log', `workerlog.${this.#placeOf(rank)}`)
    const text = await readFile(log, 'utf8').catch(() => '')
    return text.replace(CHATTER, '').slice(-64 * 1024)
  }

  /** Ends whatever is left of them, at once. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    for (const pid of [this.#launcher?.pid, ...this.#pids]) killGroup(pid)
    this.#server.close()
    await this.#launcher?.catch(() => undefined)
    await rm(this.#folder, {recursive: true, force: true})
  }

  /** The launcher numbers by the place on this machine, not by the rank among all. */
  #placeOf(rank: number): number {
    return [...this.#lines.keys()].sort((one, other) => one - other).indexOf(rank)
  }

  async #start(): Promise<void> {
    const {python, fn, request, count, gpus, nodes, env} = this.#options
    const socket = join(this.#folder, 's')
    this.#server.listen(socket)
    await once(this.#server, 'listening')
    const settings = join(this.#folder, 'settings.json')
    await writeFile(settings, JSON.stringify({fn, request, socket, path: pythonRoot}))
    const launcher = launch(python, {
      who: [
        ...(gpus === undefined ? ['--nproc_per_node', `${count}`] : ['--devices', gpus.join(',')]),
        ...(nodes === undefined ? [] : nodeFlags(nodes)),
      ],
      logs: join(this.#folder, 'log'),
      settings,
      env: {...environment(count), ...(nodes === undefined ? {} : noProxy), ...env},
    })
    this.#launcher = launcher
    launcher.all.setEncoding('utf8').on('data', (text: string) => {
      this.#launcherText = (this.#launcherText + text).slice(-64 * 1024)
      this.#options.onStderr?.(text)
    })
    void launcher.then(() => {
      this.#push({kind: 'launcherEnded'})
    })
  }

  /** The first line of a connection says whose it is; a lifeline never says anything. */
  #welcome(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => undefined)
    let rank: number | undefined
    let isDone = false
    createInterface({input: socket, crlfDelay: Infinity}).on('line', (line) => {
      const said = decodeJson(line)
      if (!isRecord(said)) return
      const {hello} = said
      if (isRecord(hello)) {
        rank = Number(hello['rank'])
        this.#lines.set(rank, socket)
        this.#pids.add(Number(hello['pid']))
        return
      }
      if (rank === undefined) return
      if ('joined' in said) {
        this.#push({kind: 'joined', rank})
        return
      }
      const kind = (['event', 'result', 'error'] as const).find((each) => each in said)
      if (kind === undefined) return
      isDone ||= kind !== 'event'
      this.#push({kind, rank, value: said[kind]})
    })
    socket.once('close', () => {
      this.#sockets.delete(socket)
      if (rank !== undefined && !isDone) this.#push({kind: 'lost', rank})
    })
  }

  #push(message: Message): void {
    this.#messages.push(message)
    this.wake()
  }

  /** Resolves at the next message or call of `wake`, or when the time is up. */
  async #change(restMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>((resolve) => {
      this.#wake = resolve
      if (Number.isFinite(restMs)) timer = setTimeout(resolve, restMs)
    })
    clearTimeout(timer)
  }
}

type Launch = {
  readonly who: readonly string[]
  readonly logs: string
  readonly settings: string
  readonly env: NodeJS.ProcessEnv
}

/** Paddle's launcher in a process group of its own, so that a Ctrl-C of the terminal reaches Node alone. */
function launch(python: string, {who, logs, settings, env}: Launch) {
  const script = join(pythonRoot, 'vilbert', 'launched.py')
  return execa(python, ['-m', 'paddle.distributed.launch', ...who, '--log_dir', logs, script, settings], {
    env,
    extendEnv: false,
    stdin: 'pipe', // its lifeline: never written to
    all: true,
    buffer: false,
    reject: false,
    detached: true,
  })
}

/** The launchers of the nodes talk to each other by HTTP, which is no business of a proxy. */
const noProxy = {NO_PROXY: '*', no_proxy: '*'}

/**
 * The launcher of the first node listens only if the master is an address that it knows as its own, which its name
 * and further addresses are not; 127.0.0.1 always is, and it listens on all addresses then.
 */
function nodeFlags({count, rank, master}: Nodes): string[] {
  const own = rank === 0 ? `127.0.0.1:${master.split(':').at(-1) ?? ''}` : master
  return ['--nnodes', `${count}`, '--rank', `${rank}`, '--master', own]
}

/** The processes share the machine's cores. */
function environment(count: number): NodeJS.ProcessEnv {
  // Those of a surrounding launcher: ours would take them over its flags.
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('PADDLE_'))
  const given: NodeJS.ProcessEnv = {...Object.fromEntries(own), ...kernelEnvironment()}
  delete given['NODE_CHANNEL_FD']
  const threads = Math.max(1, Math.floor(computeThreads() / count))
  return {
    ...given,
    PYTHONUNBUFFERED: '1',
    PYTHONUTF8: '1',
    OMP_NUM_THREADS: given['OMP_NUM_THREADS'] ?? `${threads}`,
  }
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined || pid <= 1) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // Nobody is left in the group.
  }
}
