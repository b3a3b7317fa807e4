import {join} from 'node:path'
import type {ExecutionContext} from 'ava'
import {runCli, startCli} from './cli.js'
import {python} from './python.js'

/** The world of the demo, on which a small model learns to read in a minute. */
export async function demoWorld(t: Pick<ExecutionContext, 'is'>, folder: string): Promise<string> {
  const dataRoot = join(folder, 'world')
  const synth = ['data', 'synth', '--python', python, '--output', dataRoot, '--images', '400', '--seed', '1']
  const {exitCode, stderr} = await runCli(synth, {timeoutMs: 300_000})
  t.is(exitCode, 0, stderr)
  return dataRoot
}

/** Starts the demo's training; it takes about a minute on two cores. */
export function startDemoTraining(dataRoot: string, outputDir: string): ReturnType<typeof startCli> {
  const recipe = ['--batch-size', '64', '--lr', '1e-3', '--recipe', 'corrected', '--dropout', '0']
  const course = ['--epochs', '8', '--decay-epochs', '6,7', '--seed', '1']
  const where = ['--set', 'model=tiny', '--data-root', dataRoot, '--output-dir', outputDir]
  return startCli(['train', '--python', python, ...where, ...recipe, ...course], {timeoutMs: 600_000})
}
