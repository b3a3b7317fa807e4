import {resolve} from 'node:path'
import type {ModelConfig} from '../config/model.js'
import type {PreparedData} from '../data/prepare.js'
import type {TrainEvent, TrainResult} from '../model/events.js'
import type {TrainOptions} from '../model/options.js'
import {codeFingerprint} from './fingerprint.js'
import {noteResume, writeRunFile} from './run-file.js'
import {markRunning} from './running-mark.js'

type StartedRun = {
  readonly outputDir: string
  readonly config: ModelConfig
  readonly prepared: PreparedData
}

/** Writes the run down once Python has taken it on, before its first step. */
export async function* writtenDown(
  events: AsyncGenerator<TrainEvent, TrainResult, void>,
  {outputDir, config, prepared, training, data, resume, provenance, onChanges}: TrainOptions & StartedRun,
): AsyncGenerator<TrainEvent, TrainResult, void> {
  let running: AsyncDisposable | undefined
  try {
    for (;;) {
      const step = await events.next()
      if (step.done === true) return step.value
      if (step.value.type === 'start') {
        const run = {
          command: provenance?.command ?? [],
          origin: provenance?.origin ?? {},
          versions: step.value.versions,
          device: step.value.device,
          model: config,
          training: {...training, outputDir},
          data: {
            dataRoot: resolve(data.dataRoot),
            dataset: prepared.dataset,
            splitBy: prepared.splitBy,
            cacheDir: data.cacheDir ?? null,
            featuresDtype: data.featuresDtype ?? 'float32',
          },
          dataFingerprint: prepared.fingerprint,
          codeFingerprint: await codeFingerprint(),
        }
        if (resume === undefined) await writeRunFile(outputDir, run)
        else onChanges?.(await noteResume(outputDir, run))
        running = await markRunning(outputDir)
      }
      yield step.value
    }
  } finally {
    try {
      // Typed as returning a result, but nothing reads the value of a generator that was left.
      await events.return(undefined as unknown as TrainResult)
    } finally {
      await running?.[Symbol.asyncDispose]()
    }
  }
}
