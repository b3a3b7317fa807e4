import {createRequire} from 'node:module'
import type {Socket} from 'node:net'
import {dirname, join, sep} from 'node:path'
import {BridgeError, BridgeMessageError} from './errors.js'

const PYTHONIA_VERSION = '1.2.6'
const PYTHON_MODULE = 'vilbert.bridge'

/** The one Python function that is called through pythonia. */
export type Handle = (text: string) => Promise<string>

/** The part of pythonia's message channel that its Bridge class uses (`com` in its sources). */
type Com = {
  register(event: string | number, listener: Listener): void
  write(message: {r: number}, listener?: Listener): void
  writeRaw(line: string, requestId: number, listener: Listener): void
}
/** Answers true as long as it wants more messages of the same number. */
type Listener = (message: object) => unknown

type Pythonia = {
  readonly Bridge: new (com: Com) => {
    end(): void
    makePyObject(id: number): {python(module: string): Promise<{readonly ffid: number}>}
    call(objectId: number, path: readonly string[], args: readonly string[], kwargs: object): Promise<unknown>
  }
}

/** The Python program of pythonia that answers on the channel. */
export function pythoniaInterface(): string {
  return join(pythoniaFolder(createRequire(import.meta.url)), 'interface.py')
}

/**
 * Speaks pythonia's protocol over a socket whose other end is Python's `NODE_CHANNEL_FD`.
 * @param onFailure - is told when the other side writes what is not this protocol, or far too much.
 */
export async function openPythonia(
  socket: Socket,
  options: {readonly maxLineBytes: number; readonly onFailure: (error: BridgeError) => void},
): Promise<Handle> {
  const pythonia = loadPythonia()
  const bridge = new pythonia.Bridge(socketCom(socket, options))
  bridge.end() // Its timer frees Python objects that Node forgot; only texts cross here, and it keeps Node alive.
  const module = await bridge.makePyObject(0).python(PYTHON_MODULE)
  const moduleId = module.ffid
  return async (text) => {
    // What `module.handle(text)` does after it has made two proxies, which would cost as much as the call.
    const reply = await bridge.call(moduleId, ['handle'], [text], {})
    if (typeof reply === 'string') return reply
    throw new BridgeMessageError(`${PYTHON_MODULE}.handle did not return a text.`)
  }
}

/**
 * Loads a copy of pythonia's Bridge class that is ours alone. Its main module would start a Python at once, and the
 * class reads two environment variables as it is loaded: a default timeout, and DEBUG, which would make it write
 * the protocol to stdout.
 */
function loadPythonia(): Pythonia {
  const require = createRequire(import.meta.url)
  const folder = pythoniaFolder(require)
  const shared = takeOut(require.cache, (file) => file.startsWith(folder + sep))
  const environment = takeOut(process.env, (name) => name === 'DEBUG' || name === 'REQ_TIMEOUT')
  process.env['REQ_TIMEOUT'] = '0'
  try {
    const pythonia: unknown = require('pythonia/src/pythonia/Bridge.js')
    assertPythonia(pythonia)
    return pythonia
  } finally {
    delete process.env['REQ_TIMEOUT']
    Object.assign(process.env, environment)
    takeOut(require.cache, (file) => file.startsWith(folder + sep))
    Object.assign(require.cache, shared)
  }
}

function pythoniaFolder(require: NodeJS.Require): string {
  return join(dirname(require.resolve('pythonia/package.json')), 'src', 'pythonia')
}

function takeOut<T>(record: Record<string, T>, chosen: (name: string) => boolean): Record<string, T> {
  const taken: Record<string, T> = {}
  for (const [name, value] of Object.entries(record)) {
    if (!chosen(name)) continue
    taken[name] = value
    Reflect.deleteProperty(record, name)
  }
  return taken
}

/** pythonia's inner class is not a public interface: a version that changed it must say so, not hang. */
function assertPythonia(module: unknown): asserts module is Pythonia {
  const Bridge: unknown = (module as Partial<Pythonia> | undefined)?.Bridge
  const prototype = typeof Bridge === 'function' ? (Bridge.prototype as Record<string, unknown>) : {}
  const missing = ['end', 'makePyObject', 'call'].filter((name) => typeof prototype[name] !== 'function')
  if (missing.length === 0) return
  throw new BridgeError(
    `The installed pythonia has no Bridge.${missing.join(', no Bridge.')}: version ${PYTHONIA_VERSION} is needed.`,
    'E_BRIDGE_PYTHONIA',
    {next: `Install it with \`npm install pythonia@${PYTHONIA_VERSION} --save-exact\`.`},
  )
}

/** pythonia's own channel uses Node's IPC, whose JSON parser throws where nobody can catch; this one cannot. */
function socketCom(socket: Socket, options: Parameters<typeof openPythonia>[1]): Com {
  const listeners = new Map<unknown, Listener>()
  const receive = (message: {c?: unknown; r?: unknown}): void => {
    const special = listeners.get(message.c)
    if (special !== undefined) special(message)
    else if (listeners.get(message.r)?.(message) !== true) listeners.delete(message.r)
  }
  const onLine = (line: string): void => {
    try {
      receive(JSON.parse(line) as object)
    } catch (error) {
      const message = "Python wrote something to the bridge that is not pythonia's protocol."
      options.onFailure(new BridgeMessageError(message, {cause: error}))
    }
  }
  readLines(socket, {...options, onLine})
  return {
    register: (event, listener) => void listeners.set(event, listener),
    write: (message, listener) => {
      if (listener !== undefined) listeners.set(message.r, listener)
      socket.write(`${JSON.stringify(message)}\n`)
    },
    writeRaw: (line, requestId, listener) => {
      listeners.set(requestId, listener)
      socket.write(`${line}\n`)
    },
  }
}

/** Cuts what arrives into lines; one that is longer than can be meant is a failure, not a reason to run out of memory. */
function readLines(
  socket: Socket,
  options: Parameters<typeof openPythonia>[1] & {readonly onLine: (line: string) => void},
): void {
  let parts: string[] = []
  let length = 0
  socket.setEncoding('utf8')
  socket.on('data', (chunk: string) => {
    const [first = '', ...others] = chunk.split('\n')
    parts.push(first)
    length += first.length
    for (const next of others) {
      options.onLine(parts.join(''))
      parts = [next]
      length = next.length
    }
    if (length <= options.maxLineBytes) return
    parts = []
    length = 0
    options.onFailure(
      new BridgeMessageError(`Python sent a message of more than ${options.maxLineBytes} bytes.`),
    )
  })
}
