import {dirname, join, resolve} from 'node:path'
import {z} from 'zod'
import type {Bridge} from '../bridge/bridge.js'
import type {Engine, Precision} from '../config/precision.js'
import {defaultCacheFolder} from '../data/cache-folder.js'
import type {ModelSource, ResolvedModel} from './model-source.js'

const count = z.int().min(0)

/** The graph of the model is exported: so many of `total` steps are done. */
export const exportEventSchema = z.object({type: z.literal('export'), done: count, total: count})

const chosenEngineSchema = z.object({
  engine: z.enum(['kernels', 'exported', 'stock']),
  precision: z.enum(['fp32', 'bf16']),
  /** Where the exported graph lies. */
  engineFolder: z.string().nullable(),
})

/** What Python needs to know to compute as it was chosen. */
export type ChosenEngine = z.infer<typeof chosenEngineSchema>
/** Told how far the export of a model's graph is. */
export type OnExportProgress = (event: z.infer<typeof exportEventSchema>) => void

/** Which code is to compute, and what is told meanwhile. */
export type EngineOptions = {
  readonly engine: Engine
  readonly precision: Precision
  readonly enginesFolder: string | null
  /** How many questions there will be; null: many. An exported graph takes longer to load than a few take to answer. */
  readonly questions: number | null
  readonly onExportProgress?: OnExportProgress | undefined
  readonly signal?: AbortSignal | undefined
}

/** Where the exported graphs of a model's weights are kept: in the cache folder, else in `.vilbert-ts` beside the file. */
export function enginesFolder({fromPretrained, cacheDir}: ModelSource): string | null {
  if (fromPretrained === undefined) return null
  return join(resolve(cacheDir ?? defaultCacheFolder(dirname(fromPretrained))), 'engines')
}

/**
 * Chooses the code that answers questions to a model; exports its graph where that is asked for and not there yet.
 * @throws EnvironmentError for what this machine cannot do, CheckpointError where the graph cannot be written
 */
export async function chooseEngine(
  bridge: Bridge,
  model: ResolvedModel,
  {onExportProgress, signal, ...wanted}: EngineOptions,
): Promise<ChosenEngine> {
  const events = bridge.stream(
    'vilbert.engine:choose_engine',
    {...model, ...wanted},
    {event: exportEventSchema, result: chosenEngineSchema, signal},
  )
  for (;;) {
    const step = await events.next()
    if (step.done === true) return step.value
    onExportProgress?.(step.value)
  }
}
