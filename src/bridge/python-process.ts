import {spawn, type ChildProcess} from 'node:child_process'
import type {Socket} from 'node:net'
import type {PythonEnd} from './errors.js'

const STDERR_TAIL_CHARACTERS = 64 * 1024
/** How long to wait for the rest of stderr after the exit: a program outside our group may hold it open. */
const STDERR_REST_MS = 200
/** How long a stack may take to arrive, and how long its lines may be apart. */
const STACK_WAIT_MS = 150
const STACK_GAP_MS = 10

export type PythonProcessOptions = {
  readonly python: string
  readonly args: readonly string[]
  readonly env: NodeJS.ProcessEnv
  readonly onStderr?: ((text: string) => void) | undefined
}

/** Why there is no process at all, such as `ENOENT`. */
export type NotStarted = {readonly spawnErrorCode: string}

/**
 * One Python process in a group of its own, with the file descriptors that `boot.py` expects: 0 lifeline, 1 none,
 * 2 stderr, 3 pythonia's channel, 4 control. Nothing here throws or emits: `ended` tells how it went.
 */
export class PythonProcess {
  readonly ended: Promise<PythonEnd | NotStarted>
  readonly channel: Socket | undefined
  readonly #child: ChildProcess | undefined
  readonly #control: Socket | undefined
  readonly #sockets: readonly Socket[] = []
  #stderrTail = ''
  #exited = false

  constructor(options: PythonProcessOptions) {
    const child = trySpawn(options)
    if (typeof child === 'string') {
      this.ended = Promise.resolve({spawnErrorCode: child})
      return
    }
    this.#child = child
    this.#sockets = child.stdio.filter((stream) => stream !== null && stream !== undefined) as Socket[]
    for (const socket of this.#sockets) socket.on('error', ignore)
    this.channel = (child.stdio[3] ?? undefined) as Socket | undefined
    this.#control = (child.stdio[4] ?? undefined) as Socket | undefined
    this.#control?.setEncoding('utf8').resume()
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderrTail = (this.#stderrTail + text).slice(-STDERR_TAIL_CHARACTERS)
      options.onStderr?.(text)
    })
    this.ended = this.#watch(child)
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** The last text on stderr, at most 64 KiB. */
  get stderrTail(): string {
    return this.#stderrTail
  }

  /** Asks Python to end one call; see `cancellation.py`. */
  cancel(callId: number): void {
    this.#control?.write(`${callId}\n`)
  }

  /**
   * Asks where the main thread stands; empty if no answer comes in time. The signal handler that answers does not
   * need Python's lock, so it also speaks while C code runs.
   */
  whereItStands(): Promise<string> {
    const control = this.#control
    if (control === undefined || !this.#signal('SIGUSR1')) return Promise.resolve('')
    return new Promise((resolve) => {
      let stack = ''
      let timer = setTimeout(finish, STACK_WAIT_MS)
      control.on('data', collect)
      function collect(text: string): void {
        stack += text
        clearTimeout(timer)
        timer = setTimeout(finish, STACK_GAP_MS)
      }
      function finish(): void {
        control?.off('data', collect)
        control?.resume()
        resolve(stack)
      }
    })
  }

  /** Ends Python and everything it started, at once. */
  kill(): void {
    if (this.pid === undefined || this.#exited) return
    killGroup(this.pid)
  }

  /** Says whether this process is a reason for Node not to exit. */
  keepNodeAlive(needed: boolean): void {
    const method = needed ? 'ref' : 'unref'
    this.#child?.[method]()
    for (const socket of this.#sockets) socket[method]()
  }

  #signal(signal: NodeJS.Signals): boolean {
    return !this.#exited && this.#child?.kill(signal) === true
  }

  /** Settles at `close` (exit and all of stderr) or a little after `exit`, and takes the whole group along. */
  #watch(child: ChildProcess): Promise<PythonEnd | NotStarted> {
    return new Promise((resolve) => {
      let timer: NodeJS.Timeout | undefined
      const finish = (pythonExitCode: number | null, pythonSignal: NodeJS.Signals | null): void => {
        clearTimeout(timer)
        for (const socket of this.#sockets) socket.destroy()
        resolve({pythonExitCode, pythonSignal, stderrTail: this.#stderrTail})
      }
      child.once('error', (error: NodeJS.ErrnoException) => {
        if (child.pid === undefined) resolve({spawnErrorCode: error.code ?? error.message})
      })
      child.once('exit', (code, signal) => {
        this.#exited = true
        if (child.pid !== undefined) killGroup(child.pid)
        timer = setTimeout(finish, STDERR_REST_MS, code, signal)
      })
      child.once('close', finish)
    })
  }
}

/** Most failures to start come as an event; a few (a NUL in the path, no memory) are thrown. */
function trySpawn({python, args, env}: PythonProcessOptions): ChildProcess | string {
  try {
    return spawn(python, args, {stdio: ['pipe', 'ignore', 'pipe', 'pipe', 'pipe'], detached: true, env})
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'spawn failed'
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // Nobody is left in the group.
  }
}

function ignore(): void {
  // A broken pipe only says that Python is gone, which `ended` tells better.
}
