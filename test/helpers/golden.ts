import {cp, mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import type {ExecutionContext} from 'ava'
import {packageRoot} from '../../src/paths.js'

/** What the published code computes on a tiny data root. */
export const golden = join(packageRoot, 'test', 'fixtures', 'golden')

/** A folder of the test's own, gone at its end. */
export async function temporaryFolder(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'vilbert-ts-test-'))
  t.teardown(() => rm(folder, {recursive: true, force: true}))
  return folder
}

/** A copy of the golden data root that a test may write its cache into or damage. */
export async function goldenDataRoot(t: ExecutionContext): Promise<string> {
  const folder = await temporaryFolder(t)
  await cp(join(golden, 'data-root'), folder, {recursive: true})
  return folder
}
