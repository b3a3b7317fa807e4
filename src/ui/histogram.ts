import type {Distribution} from '../data/distribution.js'
import {escapeHtml} from './html.js'

export type HistogramOptions = {
  readonly title: string
  /** What the values are, with their unit. */
  readonly xLabel: string
  /** What is counted. */
  readonly yLabel: string
}

const width = 420
const height = 240
const plot = {left: 62, top: 30, right: 12, bottom: 48}
const mostLabels = 8

/** An SVG histogram; its colours come from the page (`--bar`, `--ink`, `--rule`), so it follows dark mode. */
export function histogram({bins}: Distribution, {title, xLabel, yLabel}: HistogramOptions): string {
  const highest = Math.max(1, ...bins.map(({count}) => count))
  const top = roundUp(highest)
  const plotWidth = width - plot.left - plot.right
  const plotHeight = height - plot.top - plot.bottom
  const base = height - plot.bottom
  const step = plotWidth / Math.max(1, bins.length)
  const bars = bins.map(({from, to, count}, index) => {
    const barHeight = (count / top) * plotHeight
    const x = plot.left + index * step
    const what = to - from === 1 ? `${from}` : `${from} to ${to}`
    return (
      `<rect class="bar" x="${px(x + step * 0.05)}" y="${px(base - barHeight)}" width="${px(step * 0.9)}" ` +
      `height="${px(barHeight)}"><title>${what}: ${count}</title></rect>`
    )
  })
  const every = Math.max(1, Math.ceil(bins.length / mostLabels))
  const xTicks = bins.map(({from, to}, index) => {
    if (index % every !== 0) return ''
    // A bin of one whole number is labelled in its middle, a range where it begins.
    const x = plot.left + (index + (to - from === 1 ? 0.5 : 0)) * step
    return text(x, base + 16, `${from}`, 'middle')
  })
  const yTicks = [0, top / 2, top].map((value) => {
    const y = base - (value / top) * plotHeight
    const line = `<line class="rule" x1="${plot.left}" x2="${width - plot.right}" y1="${px(y)}" y2="${px(y)}"/>`
    return line + text(plot.left - 6, y + 4, `${value}`, 'end')
  })
  const middle = plot.left + plotWidth / 2
  const yMiddle = plot.top + plotHeight / 2
  return [
    `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(`${title}: ${yLabel} by ${xLabel}`)}">`,
    text(middle, 18, title, 'middle', ' class="title"'),
    ...yTicks,
    ...bars,
    ...xTicks,
    text(middle, height - 10, xLabel, 'middle'),
    text(0, 0, yLabel, 'middle', ` transform="translate(14 ${px(yMiddle)}) rotate(-90)"`),
    '</svg>',
  ].join('')
}

// The next of 2, 4, 10, 20, 40, …: their halves are whole too.
function roundUp(highest: number): number {
  for (let power = 1; ; power *= 10) {
    for (const lead of [2, 4, 10]) if (lead * power >= highest) return lead * power
  }
}

function text(x: number, y: number, content: string, anchor: 'middle' | 'end', more = ''): string {
  return `<text x="${px(x)}" y="${px(y)}" text-anchor="${anchor}"${more}>${escapeHtml(content)}</text>`
}

function px(value: number): string {
  return `${Number(value.toFixed(2))}`
}
