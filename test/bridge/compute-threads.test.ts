import {availableParallelism} from 'node:os'
import test from 'ava'
import {allowedProcessors, computeThreads, physicalCores} from '../../src/bridge/compute-threads.js'

/** Two sockets with two cores each and two threads on each core, as Linux describes them. */
const CPUINFO = [0, 1, 2, 3, 4, 5, 6, 7]
  .map((cpu) => `processor\t: ${cpu}\nphysical id\t: ${cpu % 2}\ncore id\t\t: ${(cpu >> 1) % 2}\nflags\t: x`)
  .join('\n\n')

test('threads of one core count once', (t) => {
  t.is(physicalCores(CPUINFO, new Set([0, 1, 2, 3, 4, 5, 6, 7])), 4)
})

test('only the processors that this process may use count', (t) => {
  t.deepEqual([...allowedProcessors('Name:\tnode\nCpus_allowed_list:\t0,4-6\n')], [0, 4, 5, 6])
  t.is(physicalCores(CPUINFO, new Set([0, 4])), 1)
  t.is(physicalCores(CPUINFO, new Set([0, 1, 4])), 2)
})

test('a system that does not tell its cores gives none', (t) => {
  t.is(physicalCores('processor\t: 0\nBogoMIPS\t: 50\n', new Set([0])), 0)
  t.deepEqual([...allowedProcessors('')], [])
})

test('this machine computes with at least one thread and no more than it has', (t) => {
  t.true(computeThreads() >= 1 && computeThreads() <= availableParallelism())
})
