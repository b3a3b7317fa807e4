import {spawn, type ChildProcess} from 'node:child_process'
import {once} from 'node:events'
import {join} from 'node:path'
import type {ExecutionContext} from 'ava'
import {packageRoot} from '../../src/paths.js'
import {processesLeft, processMark, python, pythonFixtures, type ProcessMark} from './python.js'

/** How a Node program ended, and what it printed. */
export type ProgramEnd = {
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** A Node program that runs, together with all that it starts. */
export type Program = {
  readonly child: ChildProcess
  readonly mark: ProcessMark
  readonly end: Promise<ProgramEnd>
  /** Resolves when its stdout holds the text. */
  readonly says: (text: string) => Promise<void>
}

/** Starts `test/fixtures/node/<script>` with the bridge, Python and its fixtures named in the environment. */
export function startProgram(
  t: ExecutionContext,
  script: string,
  args: readonly string[],
  options: {readonly env?: Readonly<Record<string, string>>; readonly cwd?: string} = {},
): Program {
  const mark = processMark()
  const child = spawn(process.execPath, [join(packageRoot, 'test', 'fixtures', 'node', script), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: options.cwd ?? packageRoot,
    env: {...process.env, ...bridgeEnvironment(), ...mark.env, ...options.env},
  })
  const output = {stdout: '', stderr: ''}
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text
    })
  }
  t.teardown(async () => {
    child.kill('SIGKILL')
    const left = await processesLeft(mark, 500)
    if (left.length > 0) throw new Error(`still running after the program: ${left.join(', ')}`)
  })
  return {child, mark, end: endOf(child, output), says: (text) => saying(child, output, text)}
}

/** What the programs of `test/fixtures` need to know. */
export function bridgeEnvironment(): Readonly<Record<string, string>> {
  return {
    BRIDGE_MODULE: new URL('../../src/bridge/bridge.js', import.meta.url).href,
    PYTHON: python,
    PYTHON_FIXTURES: pythonFixtures,
  }
}

async function endOf(child: ChildProcess, output: {stdout: string; stderr: string}): Promise<ProgramEnd> {
  const [exitCode, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
  return {exitCode, signal, ...output}
}

async function saying(child: ChildProcess, output: {readonly stdout: string}, text: string): Promise<void> {
  while (!output.stdout.includes(text)) {
    if (child.stdout === null || child.stdout.destroyed)
      throw new Error(`the program ended without "${text}"`)
    await Promise.race([once(child.stdout, 'data'), once(child.stdout, 'close')])
  }
}
