import type {ExecutionContext} from 'ava'
import {execa} from 'execa'

/** Whether this machine has prlimit, which limits what a process may write; without it the test says so and passes. */
export async function hasPrlimit(t: ExecutionContext): Promise<boolean> {
  const {failed} = await execa('prlimit', ['--version'], {reject: false})
  if (failed) {
    t.log('skipped: there is no prlimit')
    t.pass()
  }
  return !failed
}
