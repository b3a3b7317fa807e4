import {join} from 'node:path'
import type {ExecutionContext} from 'ava'
import {z} from 'zod'
import {jsonOf, runCli} from './cli.js'
import type {Workplace} from './damage.js'

/** As on a machine without a compiler. */
export const noKernels = {VILBERT_TS_KERNELS: 'off'}
const figuresSchema = z.object({engine: z.string(), engineNote: z.string().nullable(), accuracy: z.number()})

/** Where the engines of a workplace's model are kept. */
export function enginesOf({folder}: Workplace): string {
  return join(folder, '.vilbert-ts', 'engines')
}

/** Model and data of a workplace. */
export function modelFlags({dataRoot, config, weights}: Workplace): string[] {
  return ['--data-root', dataRoot, '--config', config, '--from-pretrained', weights]
}

/** An evaluation in JSON. */
export function evalArgs(place: Workplace, more: readonly string[]): string[] {
  return ['eval', ...modelFlags(place), ...more, '--json']
}

/** The figures of an evaluation that has to succeed where there are no kernels. */
export async function evaluated(
  t: ExecutionContext,
  place: Workplace,
  more: readonly string[],
): Promise<z.infer<typeof figuresSchema>> {
  const outcome = await runCli(evalArgs(place, more), {env: noKernels})
  t.is(outcome.exitCode, 0, outcome.stdout + outcome.stderr)
  return figuresSchema.parse(jsonOf(outcome))
}
