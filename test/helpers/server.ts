import {execa} from 'execa'
import {setTimeout as delay} from 'node:timers/promises'
import {packageRoot} from '../../src/paths.js'
import {cliFile} from './cli.js'
import {processesLeft, processMark, python} from './python.js'

/** A `vilbert-ts serve` that runs in a process of its own. */
export type TestServer = {
  readonly url: string
  readonly port: number
  readonly pid: number | undefined
  /** What it printed so far. */
  readonly output: () => string
  /** Ends it like Ctrl-C does; throws if anything that it started is left. */
  readonly stop: () => Promise<number | undefined>
}

/** Starts the built command line on a free port and waits until it says where it is. */
export async function startServer(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<TestServer> {
  const mark = processMark()
  const child = execa(process.execPath, [cliFile, 'serve', '--python', python, '--port', '0', ...args], {
    cwd: packageRoot,
    env: {NODE_ENV: '', VILBERT_TS_TOKEN: undefined, ...env, ...mark.env},
    reject: false,
    all: true,
    buffer: false,
  })
  let text = ''
  child.all.setEncoding('utf8').on('data', (piece: string) => {
    text += piece
  })
  const stop = async (): Promise<number | undefined> => {
    child.kill('SIGINT')
    const {exitCode} = await child
    const left = await processesLeft(mark, 2000)
    if (left.length > 0) throw new Error(`still running after the server: ${left.join(', ')}`)
    return exitCode
  }
  for (;;) {
    const url = /(http:\S+)/.exec(text)?.[1]
    if (url !== undefined) {
      return {url, port: Number(new URL(url).port), pid: child.pid, output: () => text, stop}
    }
    if (child.exitCode !== null) throw new Error(`the server ended: ${text}`)
    await delay(50)
  }
}
