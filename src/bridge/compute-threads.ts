import {readFileSync} from 'node:fs'
import {availableParallelism} from 'node:os'

/**
 * How many threads Python should compute with: the physical cores that this process may run on. Paddle takes one
 * unless OMP_NUM_THREADS says more before it is imported, and hyper-threads only get in each other's way.
 */
export function computeThreads(): number {
  const cores = physicalCores(readText('/proc/cpuinfo'), allowedProcessors(readText('/proc/self/status')))
  const parallelism = availableParallelism()
  return cores === 0 ? parallelism : Math.min(cores, parallelism)
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

/** Counts the cores behind the allowed processors of a `/proc/cpuinfo`; 0 where it does not tell (ARM, macOS). */
export function physicalCores(cpuinfo: string, allowed: ReadonlySet<number>): number {
  const cores = new Set<string>()
  for (const block of cpuinfo.split('\n\n')) {
    const processor = field(block, 'processor')
    const core = field(block, 'core id')
    if (processor === undefined || core === undefined || !allowed.has(Number(processor))) continue
    cores.add(`${field(block, 'physical id') ?? '0'}:${core}`)
  }
  return cores.size
}

function field(block: string, name: string): string | undefined {
  return new RegExp(`^${name}\\s*: *(.*)$`, 'm').exec(block)?.[1]
}

/** Reads the processors of a `/proc/self/status` that this process may use (`Cpus_allowed_list: 0-3,8`). */
export function allowedProcessors(status: string): ReadonlySet<number> {
  const allowed = new Set<number>()
  for (const range of (field(status, 'Cpus_allowed_list') ?? '').split(',')) {
    const [first, last = first] = range.trim().split('-')
    if (first === undefined || first === '') continue
    for (let processor = Number(first); processor <= Number(last); processor += 1) allowed.add(processor)
  }
  return allowed
}
