import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import test from 'ava'
import {z} from 'zod'
import {jsonOf, runCli} from '../helpers/cli.js'
import {golden, goldenDataRoot} from '../helpers/golden.js'

const runSchema = z.object({versions: z.object({engine: z.string()})})
const stepSchema = z.object({type: z.literal('step'), loss: z.number()})

test('train --precision bf16 follows fp32, or says what this machine lacks', async (t) => {
  const dataRoot = await goldenDataRoot(t)
  const train = (precision: string) =>
    runCli([
      ...['train', '--data-root', dataRoot, '--config', join(golden, 'config.json')],
      ...['--from-pretrained', join(golden, 'weights.pdparams'), '--output-dir', join(dataRoot, precision)],
      ...['--epochs', '1', '--batch-size', '8', '--decay-epochs', 'none', '--precision', precision, '--json'],
    ])
  const exact = await train('fp32')
  t.is(exact.exitCode, 0, exact.stdout)
  const low = await train('bf16')
  if (low.exitCode !== 0) {
    t.is(low.exitCode, 5)
    t.like(jsonOf(low), {error: {code: 'E_ENVIRONMENT'}})
    t.regex(low.stdout, /--precision bf16 needs a processor with AMX or AVX512-BF16, and the kernels/)
    return
  }
  t.is(await engineOf(join(dataRoot, 'bf16')), 'kernels, bf16')
  t.is(await engineOf(join(dataRoot, 'fp32')), 'kernels, fp32')
  const [exactLosses, lowLosses] = [
    await losses(join(dataRoot, 'fp32')),
    await losses(join(dataRoot, 'bf16')),
  ]
  t.is(lowLosses.length, exactLosses.length)
  t.notDeepEqual(lowLosses, exactLosses)
  for (const [index, loss] of exactLosses.entries())
    t.true(Math.abs((lowLosses[index] ?? NaN) - loss) < 0.01 * loss, `step ${index + 1}`)
})

async function engineOf(run: string): Promise<string> {
  return runSchema.parse(JSON.parse(await readFile(join(run, 'run.json'), 'utf8'))).versions.engine
}

async function losses(run: string): Promise<number[]> {
  const lines = (await readFile(join(run, 'metrics.jsonl'), 'utf8')).trim().split('\n')
  return lines.flatMap((line) => {
    const step = stepSchema.safeParse(JSON.parse(line))
    return step.success ? [step.data.loss] : []
  })
}
