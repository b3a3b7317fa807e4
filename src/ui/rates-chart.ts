import type {LearningRates, RatePoint} from '../model/trials.js'
import {escapeHtml} from './html.js'

const [width, height] = [760, 420]
const edge = {left: 70, right: 20, top: 56, bottom: 48}

/** Loss over learning rate, the rate on a logarithmic axis; a file of its own. */
export function ratesChart({points, suggested}: LearningRates): string {
  const scale = scaleOf(points)
  const mark = suggested === null ? '' : suggestion(suggested, scale.x(suggested))
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="Loss over learning rate">`,
    `<style>${style}</style>`,
    text(edge.left, 26, 'Loss over learning rate', 'class="title"'),
    ...decades(points).map((rate) => gridLine(rate, scale.x(rate))),
    ...scale.losses.map((loss) => lossLine(loss, scale.y(loss))),
    ...points.map(({lr, loss}) => `<circle cx="${px(scale.x(lr))}" cy="${px(scale.y(loss))}" r="2"/>`),
    `<polyline points="${points.map(({lr, smoothedLoss}) => `${px(scale.x(lr))},${px(scale.y(smoothedLoss))}`).join(' ')}"/>`,
    mark,
    text(width / 2, height - 8, 'learning rate of the body', 'class="soft" text-anchor="middle"'),
    text(edge.left, 46, 'loss: dots each step, line smoothed', 'class="soft"'),
    '</svg>\n',
  ].join('\n')
}

type Scale = {
  readonly x: (rate: number) => number
  readonly y: (loss: number) => number
  /** Where lines are drawn across. */
  readonly losses: readonly number[]
}

function scaleOf(points: readonly RatePoint[]): Scale {
  const rates = points.map(({lr}) => Math.log10(lr))
  const [left, right] = [Math.min(...rates, 0), Math.max(...rates, -7)]
  // A loss that runs away must not press all others flat.
  const smoothed = points.map(({smoothedLoss}) => smoothedLoss)
  const top = Math.min(Math.max(...smoothed, 0), 1.5 * (smoothed[0] ?? 1)) || 1
  const [insideWidth, insideHeight] = [width - edge.left - edge.right, height - edge.top - edge.bottom]
  return {
    x: (rate) => edge.left + ((Math.log10(rate) - left) / (right - left || 1)) * insideWidth,
    y: (loss) => height - edge.bottom - (Math.min(loss, top) / top) * insideHeight,
    losses: [0, 0.25, 0.5, 0.75, 1].map((share) => share * top),
  }
}

function decades(points: readonly RatePoint[]): number[] {
  const [first, last] = [points[0]?.lr ?? 1, points.at(-1)?.lr ?? 1]
  const powers = Array.from({length: 24}, (_, index) => index - 20)
  return powers.map((power) => 10 ** power).filter((rate) => rate >= first * 0.999 && rate <= last * 1.001)
}

function gridLine(rate: number, x: number): string {
  const line = `<line x1="${px(x)}" x2="${px(x)}" y1="${edge.top}" y2="${height - edge.bottom}"/>`
  return line + text(x, height - edge.bottom + 18, rate.toExponential(0), 'class="soft" text-anchor="middle"')
}

function lossLine(loss: number, y: number): string {
  const line = `<line x1="${edge.left}" x2="${width - edge.right}" y1="${px(y)}" y2="${px(y)}"/>`
  return line + text(edge.left - 8, y + 4, loss.toPrecision(3), 'class="soft" text-anchor="end"')
}

function suggestion(rate: number, x: number): string {
  const line = `<line class="mark" x1="${px(x)}" x2="${px(x)}" y1="${edge.top}" y2="${height - edge.bottom}"/>`
  return line + text(x + 6, edge.top + 14, `suggested ${rate.toExponential(1)}`, 'class="mark"')
}

const style =
  'text{font:13px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:#1a1d23}.title{font-size:16px;font-weight:600}' +
  '.soft{fill:#565d6b;font-size:12px}line{stroke:#d5d9e0}polyline{fill:none;stroke:#2f6fd0;stroke-width:2.5}' +
  'circle{fill:#2f6fd0;opacity:.45}line.mark{stroke:#c2500c;stroke-dasharray:4 3}text.mark{fill:#c2500c}' +
  '@media (prefers-color-scheme:dark){text{fill:#eceef2}.soft{fill:#a4abb9}line{stroke:#3a404c}polyline{stroke:#6fa8ff}' +
  'circle{fill:#6fa8ff}line.mark{stroke:#ff9a5c}text.mark{fill:#ff9a5c}}'

function text(x: number, y: number, content: string, attributes: string): string {
  return `<text x="${px(x)}" y="${px(y)}" ${attributes}>${escapeHtml(content)}</text>`
}

function px(value: number): string {
  return `${Number(value.toFixed(1))}`
}
