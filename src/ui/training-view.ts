import type {TrainEvent, TrainResult} from '../model/events.js'
import {duration, type ProgressBar, type ProgressOptions} from './progress.js'
import {table} from './table.js'

type Screen = {
  readonly progressBar: (options: Omit<ProgressOptions, 'enabled'>) => ProgressBar
  readonly note: (line: string) => void
}

/** What a person sees of a training run: a bar with loss and rate, a line an epoch, a summary at the end. */
export class TrainingView {
  readonly #screen: Screen
  #totalSteps = 0
  #bar: {readonly kind: TrainEvent['type']; readonly bar: ProgressBar} | undefined

  constructor(screen: Screen) {
    this.#screen = screen
  }

  show(event: TrainEvent): void {
    switch (event.type) {
      case 'start': {
        this.#totalSteps = event.totalSteps
        const sizes = `${event.trainExpressions} expressions, ${(event.parameters / 1e6).toFixed(1)} M parameters`
        if (event.resumedStep > 0) this.#screen.note(`Going on after step ${event.resumedStep}.`)
        this.#screen.note(`Training on ${sizes}: ${event.totalSteps} steps, ${event.stepsPerEpoch} an epoch.`)
        return
      }
      case 'steps': {
        const last = event.steps.at(-1)
        if (last === undefined) return
        const rate = `${event.expressionsPerSecond.toFixed(0)} expressions/s`
        const note = `loss ${last.loss.toFixed(3)}, lr ${last.lr.body.toPrecision(2)}, ${rate}`
        this.#barFor(event.type, 'Training', 'steps').update(last.step, this.#totalSteps, note)
        return
      }
      case 'validation':
        this.#barFor(event.type, 'Validating', 'expressions').update(event.done, event.total)
        return
      case 'epoch':
        this.stop()
        this.#screen.note(epochLine(event))
        return
      default:
        event satisfies never
    }
  }

  stop(): void {
    this.#bar?.bar.stop()
    this.#bar = undefined
  }

  /** The outcome in a table, with the command that looks at it. */
  summary({best, lastValAccuracy, steps, epochs, files, ...result}: TrainResult): string {
    const rows = [
      [
        'best validation accuracy',
        best === null ? 'no validation split' : `${percent(best.valAccuracy)} in epoch ${best.epoch}`,
      ],
      ['last validation accuracy', lastValAccuracy === null ? '–' : percent(lastValAccuracy)],
      ['trained', `${epochs} epochs, ${steps} steps in ${duration(1000 * result.secondsTotal)}`],
      ['waited for data', `${result.secondsWaiting.toFixed(1)} s`],
      ['best checkpoint', files.best ?? '–'],
      ['last checkpoint', files.last],
      ['every step', files.metrics],
    ]
    const next = `Next: vilbert-ts eval --from-pretrained ${files.best ?? files.last} --split testA --data-root …`
    return `${table(rows)}\n${next}`
  }

  #barFor(kind: TrainEvent['type'], label: string, unit: string): ProgressBar {
    if (this.#bar?.kind !== kind) {
      this.stop()
      this.#bar = {kind, bar: this.#screen.progressBar({label, unit})}
    }
    return this.#bar.bar
  }
}

function epochLine({epoch, valAccuracy, seconds, best}: Extract<TrainEvent, {type: 'epoch'}>): string {
  const accuracy =
    valAccuracy === null ? '' : `, validation accuracy ${percent(valAccuracy)}${best ? ' (best so far)' : ''}`
  return `Epoch ${epoch}: ${duration(1000 * seconds)}${accuracy}`
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`
}
