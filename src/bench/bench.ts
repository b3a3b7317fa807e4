import type {Bridge} from '../bridge/bridge.js'
import type {Engine} from '../config/precision.js'
import type {PreparedData} from '../data/prepare.js'
import type {ResolvedModel} from '../model/model-source.js'
import {OutsideCommand} from './outside-command.js'
import {
  benchEventSchema,
  benchReplySchema,
  type benchProfiles,
  type benchSections,
  type BenchEvent,
  type BenchResult,
} from './result.js'

export type BenchSettings = {
  /** @default all */
  readonly profiles: readonly (typeof benchProfiles)[number][]
  /** @default all */
  readonly sections: readonly (typeof benchSections)[number][]
  /** Turns that each side takes, after one to warm up. */
  readonly rounds: number
  /** Expressions at once. */
  readonly evalBatchSize: number
  /** Expressions in a step. */
  readonly trainBatchSize: number
  /** Whether the steps of `train` compute activations twice instead of keeping them. */
  readonly recompute: boolean
  /** Code that computes in eval. @default 'auto', the kernels where they are */
  readonly engine?: Engine | undefined
  /** Whether the published way takes turns with ours. */
  readonly withBaseline: boolean
  /** Commands of the shell that are timed between the rounds. */
  readonly outside: readonly string[]
  readonly signal?: AbortSignal | undefined
}

export type BenchWork = BenchSettings &
  ResolvedModel & {
    readonly vocabulary: string
    /** Real data on which bf16 is held against fp32. */
    readonly data: PreparedData | null
    readonly split: string
  }

/**
 * Measures in Python, one event a round; Python stands still while an event is looked at, so that commands from
 * outside have the machine to themselves in between.
 */
export async function* bench(
  bridge: Bridge,
  {outside, signal, ...request}: BenchWork,
): AsyncGenerator<BenchEvent, BenchResult, void> {
  const commands = outside.map((command) => new OutsideCommand(command, signal))
  const events = bridge.stream('vilbert.bench:bench', request, {
    event: benchEventSchema,
    result: benchReplySchema,
    signal,
  })
  try {
    for (;;) {
      const step = await events.next()
      // A run to warm up, and one a round.
      for (const command of commands) await command.runUntil(request.rounds + 1, step.done === true)
      if (step.done === true) return {...step.value, outside: commands.map((command) => command.times())}
      yield step.value
    }
  } finally {
    // Typed as returning a result, but nothing reads the value of a generator that was left.
    await events.return(undefined as never)
  }
}
