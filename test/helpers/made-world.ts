import {join} from 'node:path'
import type {ExecutionContext} from 'ava'
import type {synthDatasets} from '../../src/data/synth.js'
import {runCli} from './cli.js'
import {temporaryFolder} from './golden.js'
import {python} from './python.js'

/** A synthetic data root of the test's own. */
export async function madeWorld(
  t: ExecutionContext,
  dataset: (typeof synthDatasets)[number],
  images: number,
): Promise<string> {
  const folder = join(await temporaryFolder(t), 'world')
  const made = await runCli([
    ...['data', 'synth', '--python', python, '--output', folder, '--dataset', dataset],
    ...['--images', `${images}`, '--seed', '5', '--json'],
  ])
  t.is(made.exitCode, 0, made.stdout)
  return folder
}
