import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {join} from 'node:path'
import {createInterface} from 'node:readline'
import {PythonShell} from 'python-shell'
import {z} from 'zod'
import {Bridge} from '../../src/bridge/bridge.js'
import {pidOf, python, pythonFixtures} from '../helpers/python.js'

/** One way to call a Python function that returns its JSON argument. */
export type Peer = {
  readonly name: string
  readonly pythonPid: number
  readonly ask: (request: unknown) => Promise<unknown>
  readonly close: () => Promise<void>
}

const PIPE_PROGRAM = join(pythonFixtures, 'bench_pipe.py')

/** Starts all peers. */
export async function startPeers(): Promise<readonly Peer[]> {
  return [await startPipe(), await startPythonShell(), await startPythonia(), await startBridge()]
}

async function startPipe(): Promise<Peer> {
  const child = spawn(python, [PIPE_PROGRAM], {stdio: ['pipe', 'pipe', 'inherit']})
  const lines = createInterface({input: child.stdout})
  const ask = async (request: unknown): Promise<unknown> => {
    child.stdin.write(`${JSON.stringify(request)}\n`)
    const [line] = (await once(lines, 'line')) as [string]
    return JSON.parse(line)
  }
  await ask(null)
  return {name: 'plain pipe', pythonPid: child.pid ?? 0, ask, close: () => endOf(child)}
}

async function endOf(child: ReturnType<typeof spawn>): Promise<void> {
  child.stdin?.end()
  await once(child, 'exit')
}

async function startPythonShell(): Promise<Peer> {
  const shell = new PythonShell(PIPE_PROGRAM, {mode: 'json', pythonPath: python})
  const ask = async (request: unknown): Promise<unknown> => {
    const message = once(shell, 'message')
    shell.send(request as object)
    const [reply] = (await message) as [unknown]
    return reply
  }
  await ask({})
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      shell.end(() => {
        resolve()
      })
    })
  return {name: 'python-shell', pythonPid: shell.childProcess.pid ?? 0, ask, close}
}

/** pythonia as its users have it; only here and in `pythonia-channel.ts` is it imported. */
async function startPythonia(): Promise<Peer> {
  process.env['PYTHON_BIN'] = python
  const {python: load} = await import('pythonia')
  const module = (await load(join(pythonFixtures, 'bench_echo.py'))) as PythoniaModule
  const ask = async (request: unknown): Promise<unknown> =>
    JSON.parse(await module.echo_text(JSON.stringify(request)))
  const os = (await load('os')) as PythoniaOs
  const pythonPid = await os.getpid()
  return {
    name: 'pythonia raw',
    pythonPid,
    ask,
    close: () => {
      load.exit()
      return Promise.resolve()
    },
  }
}

type PythoniaModule = {echo_text(text: string): Promise<string>}
type PythoniaOs = {getpid(): Promise<number>}

async function startBridge(): Promise<Peer> {
  const bridge = new Bridge({python, pythonPath: [pythonFixtures]})
  await bridge.start()
  const reply = {reply: z.unknown()}
  const ask = (request: unknown): Promise<unknown> => bridge.call('bench_echo:echo', request, reply)
  await ask(null)
  return {name: 'this bridge', pythonPid: pidOf(bridge), ask, close: () => bridge.close()}
}
