import {figure, type Figure} from './figure.js'
import {percent, whole} from './format.js'
import {html, type Html} from './html.js'

export type Part = {readonly name: string; readonly className: string}

export type StackedBars = Pick<Figure, 'id' | 'title' | 'description' | 'note'> & {
  readonly parts: readonly Part[]
  /** One count a part. */
  readonly rows: readonly {readonly name: string; readonly counts: readonly number[]}[]
}

const width = 720
const left = 64
const rowHeight = 44
const narrowest = 52

/** How wholes are made up of parts: one bar a row, all of the same length. */
export function stackedBars({parts, rows, note, ...texts}: StackedBars): Html {
  const bottom = rowHeight * rows.length
  return figure({
    ...texts,
    ...(note === undefined ? {} : {note}),
    widthPx: width,
    heightPx: bottom + 40,
    legend: parts.map(({className, name}) => ({className, text: name})),
    drawing: [axisLine(bottom), ...rows.map((row, index) => drawRow(row, index, parts))],
    table: {
      heading: ['split', ...parts.map(({name}) => name)],
      rows: rows.map(({name, counts}) => [
        name,
        ...counts.map((count) => `${whole(count)} (${percent(count / sum(counts))})`),
      ]),
    },
  })
}

function axisLine(bottom: number): Html {
  return html`${[0, 0.25, 0.5, 0.75, 1].map(
      (share) =>
        html`<text
          class="tick wide"
          x="${x(share)}"
          y="${bottom + 12}"
          text-anchor="${share === 1 ? 'end' : 'middle'}"
          >${100 * share}</text
        >`,
    )}<text class="axis wide" x="${x(0.5)}" y="${bottom + 34}" text-anchor="middle">% of sentences</text>`
}

function drawRow({name, counts}: StackedBars['rows'][number], row: number, parts: readonly Part[]): Html {
  const total = sum(counts)
  const top = rowHeight * row + 4
  const pieces = counts.map((count, index) => {
    const start = x(sum(counts.slice(0, index)) / total)
    const length = x(sum(counts.slice(0, index + 1)) / total) - start
    const part = parts[index]
    if (part === undefined || count === 0) return null
    return html`<g
      ><title>${name}, ${part.name}: ${whole(count)} sentences, ${percent(count / total)}</title>
      <rect
        class="${part.className}"
        x="${round(start + 1)}"
        y="${top}"
        width="${round(Math.max(length - 2, 0.5))}"
        height="32"
        rx="3"
      />
      ${length < narrowest ? null : html`<text class="inside" x="${round(start + length / 2)}" y="${top + 21}" text-anchor="middle">${percent(count / total)}</text>`}</g
    >`
  })
  return html`<text class="label wide" x="${left - 8}" y="${top + 21}" text-anchor="end">${name}</text
    >${pieces}`
}

function x(share: number): number {
  return round(left + share * (width - left - 4))
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0)
}

function round(px: number): number {
  return Math.round(100 * px) / 100
}
