import {resolve} from 'node:path'
import {z} from 'zod'
import type {Bridge} from '../bridge/bridge.js'

/** Data sets that can be imitated; refcocog is split as `umd` does it, the others as `unc` does. */
export const synthDatasets = ['refcoco+', 'refcoco', 'refcocog'] as const

/** The world that {@link Vilbert.synthesize} makes. */
export type SynthOptions = {
  /** Folder of the new data root; empty, absent, or with `force` one that an earlier run made. */
  readonly output: string
  /** Number of pictures, at least 4. */
  readonly images: number
  /** The same seed gives the same world. */
  readonly seed: number
  /** @default 'refcoco+' */
  readonly dataset?: (typeof synthDatasets)[number]
  /** Replace a world that an earlier run made. @default false */
  readonly force?: boolean
  /** Chance (0–1) that a phrase names another shape, where the picture has such a pair. @default 0.12 */
  readonly relations?: number
  readonly signal?: AbortSignal
}

const progressSchema = z.object({
  type: z.literal('progress'),
  done: z.number().int(),
  total: z.number().int(),
})
const resultSchema = z.object({
  output: z.string(),
  dataset: z.string(),
  splitBy: z.string(),
  seed: z.number().int(),
  images: z.number().int(),
  refs: z.number().int(),
  /** Number of phrases by split. */
  expressions: z.record(z.string(), z.number().int()),
})

/** So many of `total` pictures are done. */
export type SynthProgress = z.infer<typeof progressSchema>

/** What was written. */
export type SynthResult = z.infer<typeof resultSchema>

/**
 * Writes a small synthetic data root of the REFER layout: pictures of shapes, phrases that need their words, region
 * features of the pixels. The folder appears only when it is whole; stopping early leaves nothing behind.
 * @throws ConfigError if a value is out of range or the folder is in use; BridgeError as {@link Bridge.stream}
 */
export function synthesize(
  bridge: Bridge,
  {signal, output, ...options}: SynthOptions,
): AsyncGenerator<SynthProgress, SynthResult, void> {
  return bridge.stream(
    'vilbert.synth:synthesize',
    {...options, output: resolve(output)},
    {event: progressSchema, result: resultSchema, signal},
  )
}
