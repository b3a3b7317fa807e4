import {figure, type Figure, type Legend} from './figure.js'
import {interval, percent, whole} from './format.js'
import {html, type Html} from './html.js'

export type Bar = {
  readonly name: string
  readonly share: number
  readonly low: number | null
  readonly high: number | null
  readonly total: number
  /** Share that could be reached, a mark on the bar. */
  readonly ceiling?: number
}

export type BarChart = Pick<Figure, 'id' | 'title' | 'description' | 'note'> & {
  readonly bars: readonly Bar[]
  /** What the bars are of, in the table. */
  readonly what: string
  /** Text below the axis. */
  readonly axis: string
}

const width = 380
const left = 118
const right = 60
const rowHeight = 22
const mostBars = 25
const longestName = 17

/** Horizontal bars from 0 to 100 %, each with its interval and, where known, its ceiling. */
export function barChart({bars, what, axis, note, ...texts}: BarChart): Html {
  const shown = bars.slice(0, mostBars)
  const bottom = rowHeight * shown.length + 4
  const hasCeiling = bars.some(({ceiling}) => ceiling !== undefined)
  const cut =
    bars.length > shown.length
      ? `The ${shown.length} most frequent of ${bars.length}; all are below.`
      : undefined
  const notes = [note, cut].filter((text) => text !== undefined).join(' ')
  return figure({
    ...texts,
    ...(notes === '' ? {} : {note: notes}),
    widthPx: width,
    heightPx: bottom + 36,
    legend: legendOf(hasCeiling),
    drawing: [axisLines(bottom, axis), html`${shown.map((bar, row) => drawBar(bar, row))}`],
    table: {
      heading: [what, 'sentences', 'accuracy', '95 % interval', ...(hasCeiling ? ['ceiling'] : [])],
      rows: bars.map((bar) => [
        bar.name,
        whole(bar.total),
        percent(bar.share, 2),
        interval(bar, 2),
        ...(hasCeiling ? [bar.ceiling === undefined ? '–' : percent(bar.ceiling, 2)] : []),
      ]),
    },
  })
}

function legendOf(hasCeiling: boolean): Legend {
  const accuracy = {className: 'fill-1', text: 'accuracy'}
  const whisker = {className: 'fill-ink', text: '95 % interval'}
  return hasCeiling ? [accuracy, whisker, {className: 'fill-2', text: 'ceiling'}] : [accuracy, whisker]
}

function axisLines(bottom: number, axis: string): Html {
  return html`${[0, 0.25, 0.5, 0.75, 1].map(
      (share) =>
        html`<line class="grid" x1="${x(share)}" x2="${x(share)}" y1="0" y2="${bottom}" />
          <text class="tick" x="${x(share)}" y="${bottom + 14}" text-anchor="middle">${100 * share}</text>`,
    )}<text class="axis" x="${(x(0) + x(1)) / 2}" y="${bottom + 30}" text-anchor="middle">${axis}</text>`
}

function drawBar({name, share, low, high, total, ceiling}: Bar, row: number): Html {
  const top = rowHeight * row + 4
  const middle = top + 7
  const label = name.length > longestName ? `${name.slice(0, longestName - 1)}…` : name
  const whisker =
    low === null || high === null
      ? null
      : html`<path
          class="whisker"
          d="M${x(low)} ${middle}H${x(high)}M${x(low)} ${middle - 3}v6M${x(high)} ${middle - 3}v6"
        />`
  return html`<g
    ><title>${name}: ${percent(share)} of ${whole(total)} sentences, interval ${interval({low, high})}</title>
    <text class="label" x="${left - 8}" y="${middle + 4}" text-anchor="end">${label}</text>
    <rect class="fill-1" x="${x(0)}" y="${top}" width="${round(x(share) - x(0))}" height="14" rx="2" />
    ${ceiling === undefined ? null : html`<rect class="fill-2" x="${round(x(ceiling) - 1.5)}" y="${top - 2}" width="3" height="18" />`}
    ${whisker}
    <text class="value" x="${width}" y="${middle + 4}" text-anchor="end">${percent(share)}</text></g
  >`
}

function x(share: number): number {
  return round(left + share * (width - left - right))
}

function round(px: number): number {
  return Math.round(100 * px) / 100
}
