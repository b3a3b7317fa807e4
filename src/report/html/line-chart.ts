import {figure, type Figure} from './figure.js'
import {html, type Html} from './html.js'

export type Series = {
  readonly name: string
  /** `line-1` to `line-3`, which also tell the dashes. */
  readonly className: 'line-1' | 'line-2' | 'line-3'
  readonly points: readonly (readonly [number, number])[]
  /** Whether every point is drawn. */
  readonly dots?: boolean
}

export type Axis = {
  /** With its unit. */
  readonly label: string
  readonly min: number
  readonly max: number
  readonly ticks: readonly number[]
  readonly format: (value: number) => string
}

export type LineChart = Pick<Figure, 'id' | 'title' | 'description' | 'note' | 'table'> & {
  readonly x: Axis
  readonly y: Axis
  readonly series: readonly Series[]
  /** Whether the line y = x is drawn: where the points should be. */
  readonly diagonal?: boolean
}

const width = 380
const height = 240
const edges = {left: 46, right: 12, top: 10, bottom: 40}

/** Lines over a common axis. */
export function lineChart({x, y, series, diagonal = false, note, ...texts}: LineChart): Html {
  const toX = scale(x, edges.left, width - edges.right)
  const toY = scale(y, height - edges.bottom, edges.top)
  const line = html`<line
    class="diagonal"
    x1="${toX(x.min)}"
    y1="${toY(x.min)}"
    x2="${toX(x.max)}"
    y2="${toY(x.max)}"
  />`
  return figure({
    ...texts,
    ...(note === undefined ? {} : {note}),
    widthPx: width,
    heightPx: height,
    legend: series.map(({className, name}) => ({className: className.replace('line', 'fill'), text: name})),
    drawing: [
      axes(x, y, toX, toY),
      diagonal ? line : html``,
      ...series.map((each) => drawSeries(each, toX, toY)),
    ],
  })
}

/** Three to six round numbers that cover a range from 0. */
export function ticksTo(max: number): readonly number[] {
  const rough = max / 4
  const magnitude = 10 ** Math.floor(Math.log10(rough))
  const step = ([1, 2, 2.5, 5, 10].find((factor) => factor * magnitude >= rough) ?? 10) * magnitude
  return Array.from({length: Math.ceil(max / step - 1e-9) + 1}, (_, index) =>
    Number((index * step).toPrecision(6)),
  )
}

function axes(x: Axis, y: Axis, toX: Scale, toY: Scale): Html {
  const bottom = height - edges.bottom
  return html`${y.ticks.map(
      (value) =>
        html`<line
            class="grid"
            x1="${edges.left}"
            x2="${width - edges.right}"
            y1="${toY(value)}"
            y2="${toY(value)}"
          />
          <text class="tick" x="${edges.left - 6}" y="${toY(value) + 4}" text-anchor="end"
            >${y.format(value)}</text
          >`,
    )}${x.ticks.map(
      (value) =>
        html`<text class="tick" x="${toX(value)}" y="${bottom + 15}" text-anchor="middle"
          >${x.format(value)}</text
        >`,
    )}<line class="base" x1="${edges.left}" x2="${width - edges.right}" y1="${bottom}" y2="${bottom}" />
    <text class="axis" x="${(edges.left + width - edges.right) / 2}" y="${height - 6}" text-anchor="middle"
      >${x.label}</text
    >
    <text class="axis" transform="translate(11 ${(edges.top + bottom) / 2}) rotate(-90)" text-anchor="middle"
      >${y.label}</text
    >`
}

function drawSeries({points, className, dots = false}: Series, toX: Scale, toY: Scale): Html {
  const path = points.map(([px, py], index) => `${index === 0 ? 'M' : 'L'}${toX(px)} ${toY(py)}`).join('')
  return html`<path class="line ${className}" d="${path}" />${
      dots
        ? points.map(
            ([px, py]) =>
              html`<circle
                class="${className.replace('line', 'fill')}"
                cx="${toX(px)}"
                cy="${toY(py)}"
                r="3"
              />`,
          )
        : null
    }`
}

type Scale = (value: number) => number

function scale({min, max}: Axis, from: number, to: number): Scale {
  const span = max === min ? 1 : max - min
  return (value) => Math.round(100 * (from + ((value - min) / span) * (to - from))) / 100
}
