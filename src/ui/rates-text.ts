import type {LearningRates, RatePoint} from '../model/trials.js'
import {table} from './table.js'

const shownRows = 20

/** The loss at some of the rates, and what they suggest. */
export function ratesText({points, diverged, suggested, steepest, lowest}: LearningRates): string {
  const rows = shownPoints(points).map(({lr, loss, smoothedLoss}) => [
    lr.toExponential(1),
    loss.toPrecision(4),
    smoothedLoss.toPrecision(4),
  ])
  const end = diverged ? [`At ${highest(points)} the loss ran away, so the test ended.`] : []
  const advice =
    suggested === null
      ? 'No rate made the loss fall by 2 %, so none is suggested: take more steps or a larger --batch-size.'
      : `It falls fastest at ${shown(steepest)} and is lowest at ${shown(lowest)}. Suggestion: --lr ${shown(suggested)}`
  return [table([['lr', 'loss', 'smoothed'], ...rows]), ...end, advice].join('\n')
}

function shownPoints(points: readonly RatePoint[]): readonly RatePoint[] {
  const stride = Math.max(1, Math.ceil(points.length / shownRows))
  return points.filter((_, index) => index % stride === 0 || index === points.length - 1)
}

function highest(points: readonly RatePoint[]): string {
  return shown(points.at(-1)?.lr ?? null)
}

/** Rounded to what a person would write: nobody knows a rate more closely. */
function shown(rate: number | null): string {
  return rate === null ? '–' : rate.toExponential(1)
}
