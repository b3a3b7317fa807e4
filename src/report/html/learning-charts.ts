import type {LearningCurves} from '../learning-curves.js'
import {percent, whole} from './format.js'
import {html, type Html} from './html.js'
import {lineChart, ticksTo, type Axis} from './line-chart.js'

/** How the run came to be what it is: loss by step, accuracy by epoch. Nothing where nothing was written down. */
export function learningCharts({loss, validations, steps}: LearningCurves): Html | null {
  if (loss.length === 0) return null
  const lastStep = loss.at(-1)?.step ?? 1
  const stepAxis: Axis = {
    label: 'optimizer step',
    min: 0,
    max: lastStep,
    ticks: ticksTo(lastStep).filter((step) => step <= lastStep),
    format: (step) => (step >= 1000 ? `${step / 1000}k` : String(step)),
  }
  const charts = [
    lossChart(loss, stepAxis, steps),
    ...(validations.length === 0 ? [] : [accuracyChart(validations)]),
  ]
  return html`<section aria-labelledby="learning-title">
    <h2 id="learning-title">How it learned</h2>
    <div class="grid-of">${charts}</div>
  </section>`
}

function lossChart(loss: LearningCurves['loss'], x: Axis, steps: number): Html {
  const highest = Math.max(...loss.map((point) => point.loss))
  const size = Math.ceil(steps / loss.length)
  return lineChart({
    id: 'learning-loss',
    title: 'Training loss',
    description: `Loss over ${steps} steps, from ${loss[0]?.loss.toPrecision(3) ?? ''} to ${loss.at(-1)?.loss.toPrecision(3) ?? ''}.`,
    x,
    y: rangeAxis('loss', highest),
    series: [
      {
        name: size > 1 ? `mean of ${size} steps` : 'loss',
        className: 'line-1',
        points: loss.map((point) => [point.step, point.loss]),
      },
    ],
    table: {
      heading: ['step', 'loss'],
      rows: loss.map((point) => [whole(point.step), point.loss.toPrecision(4)]),
    },
  })
}

function accuracyChart(validations: LearningCurves['validations']): Html {
  const best = validations.findLast((validation) => validation.best)
  const lastEpoch = Math.max(...validations.map(({epoch}) => epoch))
  const epochs = Array.from({length: lastEpoch}, (_, index) => index + 1)
  const every = Math.ceil(lastEpoch / 10)
  return lineChart({
    id: 'learning-accuracy',
    title: 'Validation accuracy',
    description: `Accuracy on val by epoch${best === undefined ? '' : `; the best is ${percent(best.accuracy, 2)} in epoch ${best.epoch}`}.`,
    x: {
      label: 'epoch',
      min: 1,
      max: lastEpoch,
      ticks: epochs.filter((epoch) => epoch % every === 0 || every === 1),
      format: (epoch) => String(epoch),
    },
    y: {
      label: 'accuracy (% of sentences)',
      min: 0,
      max: 1,
      ticks: [0, 0.25, 0.5, 0.75, 1],
      format: (share) => String(100 * share),
    },
    series: [
      {
        name: 'accuracy on val',
        className: 'line-1',
        dots: true,
        points: validations.map(({epoch, accuracy}) => [epoch, accuracy]),
      },
    ],
    table: {
      heading: ['epoch', 'step', 'accuracy', 'best so far'],
      rows: validations.map(({epoch, step, accuracy, best: isBest}) => [
        String(epoch),
        whole(step),
        percent(accuracy, 2),
        isBest ? 'yes' : '',
      ]),
    },
    ...(best === undefined ? {} : {note: `Best ${percent(best.accuracy, 2)} in epoch ${best.epoch}.`}),
  })
}

function rangeAxis(label: string, highest: number): Axis {
  const ticks = ticksTo(highest > 0 && Number.isFinite(highest) ? highest : 1)
  return {label, min: 0, max: ticks.at(-1) ?? 1, ticks, format: (value) => String(value)}
}
