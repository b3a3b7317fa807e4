import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {join} from 'node:path'
import {packageRoot} from '../../src/paths.js'
import {bridgeEnvironment} from '../helpers/program.js'
import {python} from '../helpers/python.js'
import {median} from './statistics.js'

const PROGRAM = join(packageRoot, 'test', 'fixtures', 'node', 'program.mjs')

/** Median times in ms from the start of a process to its first answer, or to its end where it gives none. */
export type StartTimes = {
  readonly nodeMs: number
  readonly pythonMs: number
  readonly firstCallMs: number
  readonly importPaddleMs: number
  readonly firstCallWithPaddleMs: number
}

/** Starts processes of each kind in turns. */
export async function measureStarts(): Promise<StartTimes> {
  const times = {
    nodeMs: await medianOf(15, () => timeProcess(process.execPath, ['-e', '0'])),
    pythonMs: await medianOf(15, () => timeProcess(python, ['-c', 'pass'])),
    firstCallMs: await medianOf(15, () => timeFirstAnswer('values:identity')),
  }
  const importing: number[] = []
  const calling: number[] = []
  for (let repeat = 0; repeat < 7; repeat += 1) {
    importing.push(await timeProcess(python, ['-c', 'import paddle']))
    calling.push(await timeFirstAnswer('bench_echo:import_paddle'))
  }
  return {...times, importPaddleMs: median(importing), firstCallWithPaddleMs: median(calling)}
}

async function medianOf(repeats: number, measure: () => Promise<number>): Promise<number> {
  const times: number[] = []
  for (let repeat = 0; repeat < repeats; repeat += 1) times.push(await measure())
  return median(times)
}

async function timeProcess(program: string, args: readonly string[]): Promise<number> {
  const start = performance.now()
  await once(spawn(program, args, {stdio: 'ignore'}), 'exit')
  return performance.now() - start
}

async function timeFirstAnswer(fn: string): Promise<number> {
  const start = performance.now()
  const child = spawn(process.execPath, [PROGRAM, fn, 'null', 'print the reply'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {...process.env, ...bridgeEnvironment()},
  })
  await once(child.stdout, 'data')
  const tookMs = performance.now() - start
  await once(child, 'exit')
  return tookMs
}
