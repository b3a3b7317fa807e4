import {execa} from 'execa'
import {statfs} from 'node:fs/promises'
import {computeThreads} from '../bridge/compute-threads.js'
import type {Check} from './doctor.js'

const gibibyteBytes = 2 ** 30

/** The environment takes about 1 GiB, the features of RefCOCO+ take 15. */
const wantedDiskBytes = 5 * gibibyteBytes

/** Paddle computes on one thread unless it is told otherwise; more threads than cores make it slower. */
export function threadsCheck(): Check {
  const cores = computeThreads()
  const set = process.env['OMP_NUM_THREADS']
  const threads = set === undefined || set === '' ? cores : Number(set)
  const ok = threads === cores
  return {
    name: 'compute threads',
    ok,
    required: false,
    value: `${threads} on ${cores} physical core${cores === 1 ? '' : 's'}`,
    advice: ok
      ? null
      : `OMP_NUM_THREADS=${set ?? ''} is set: unset it to compute on all ${cores} physical cores.`,
  }
}

/** Only the native mask operations and the kernels are compiled, so all else works without these. */
export async function compilerChecks(hasHeaders: boolean | undefined): Promise<Check[]> {
  return [
    tool('compiler', await firstLine('cc', ['--version']), 'Install a C compiler', 'build-essential'),
    tool('make', await firstLine('make', ['--version']), 'Install make', 'build-essential'),
    ...(hasHeaders === undefined ? [] : [headersCheck(hasHeaders)]),
  ]
}

function headersCheck(hasHeaders: boolean): Check {
  const value = hasHeaders ? 'Python.h' : undefined
  return tool('python headers', value, "Install Python's headers", 'python3-dev')
}

function tool(name: string, value: string | undefined, what: string, debianPackage: string): Check {
  const ok = value !== undefined
  const advice = ok ? null : `${what} (Debian and Ubuntu: apt-get install ${debianPackage}).`
  return {name, ok, required: false, value: value ?? 'missing', advice}
}

async function firstLine(command: string, args: readonly string[]): Promise<string | undefined> {
  const {stdout, failed} = await execa(command, args, {reject: false, timeout: 10_000})
  return failed ? undefined : stdout.split('\n')[0]
}

/** Free space where the data is or will be. */
export async function diskCheck(folder: string): Promise<Check> {
  const stats = await statfs(folder).catch(() => undefined)
  const freeBytes = stats === undefined ? undefined : stats.bavail * stats.bsize
  const ok = freeBytes === undefined || freeBytes >= wantedDiskBytes
  return {
    name: 'disk',
    ok,
    required: false,
    value:
      freeBytes === undefined ? 'unknown' : `${(freeBytes / gibibyteBytes).toFixed(1)} GiB free at ${folder}`,
    advice: ok ? null : 'Free some space: the environment takes 1 GiB, the features of RefCOCO+ 15 GiB.',
  }
}
