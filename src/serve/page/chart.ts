import {drawing, element} from './dom.js'

export type Curve = {
  readonly title: string
  readonly xName: string
  readonly yName: string
  readonly kind: 'loss' | 'accuracy'
  readonly points: readonly (readonly [x: number, y: number])[]
  readonly yMax: number | undefined
  readonly formatY: (y: number) => string
  readonly formatTick: (y: number) => string
}

const width = 380
const height = 220
const edges = {left: 50, right: 12, top: 10, bottom: 36}

/** A curve as a drawing with a title, a sentence for those who do not see it, and a table of its points. */
export function chart(curve: Curve): HTMLElement {
  return element(
    'figure',
    {class: 'chart', 'data-points': curve.points.length},
    element('h4', {}, curve.title),
    draw(curve),
    table(curve),
  )
}

function draw({title, xName, yName, kind, points, yMax, formatY, formatTick}: Curve): SVGSVGElement {
  const lastX = points.at(-1)?.[0] ?? 1
  const top = yMax ?? Math.max(...points.map(([, y]) => y), 1e-9)
  const right = width - edges.right
  const bottom = height - edges.bottom
  const toX = (x: number) => edges.left + (x / Math.max(lastX, 1)) * (right - edges.left)
  const toY = (y: number) => bottom - (y / top) * (bottom - edges.top)
  const path = points.map(
    ([x, y], place) => `${place === 0 ? 'M' : 'L'}${toX(x).toFixed(1)} ${toY(y).toFixed(1)}`,
  )
  const grid = [0, 0.25, 0.5, 0.75, 1].flatMap((share) => [
    drawing('line', {class: 'grid', x1: edges.left, x2: right, y1: toY(share * top), y2: toY(share * top)}),
    drawing(
      'text',
      {class: 'tick', x: edges.left - 6, y: toY(share * top) + 4, 'text-anchor': 'end'},
      formatTick(share * top),
    ),
  ])
  const ticks = [0, 0.5, 1].map((share) =>
    drawing(
      'text',
      {class: 'tick', x: toX(share * lastX), y: bottom + 15, 'text-anchor': 'middle'},
      String(Math.round(share * lastX)),
    ),
  )
  const dots =
    kind === 'accuracy'
      ? points.map(([x, y]) => drawing('circle', {class: 'dot', cx: toX(x), cy: toY(y), r: 3}))
      : []
  return drawing(
    'svg',
    {viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': inWords(title, points, formatY)},
    ...grid,
    drawing('line', {class: 'base', x1: edges.left, x2: right, y1: bottom, y2: bottom}),
    ...ticks,
    drawing(
      'text',
      {class: 'tick', x: (edges.left + right) / 2, y: height - 4, 'text-anchor': 'middle'},
      xName,
    ),
    drawing(
      'text',
      {
        class: 'tick',
        transform: `translate(12 ${(edges.top + bottom) / 2}) rotate(-90)`,
        'text-anchor': 'middle',
      },
      yName,
    ),
    drawing('path', {class: `line ${kind}`, d: path.join('')}),
    ...dots,
  )
}

function inWords(title: string, points: Curve['points'], formatY: Curve['formatY']): string {
  const [first, last] = [points[0], points.at(-1)]
  if (first === undefined || last === undefined) return `${title}: nothing yet.`
  return `${title}: from ${formatY(first[1])} at step ${first[0]} to ${formatY(last[1])} at step ${last[0]}.`
}

function table({title, xName, yName, points, formatY}: Curve): HTMLElement {
  const rows = points.map(([x, y]) =>
    element('tr', {}, element('th', {scope: 'row'}, String(x)), element('td', {}, formatY(y))),
  )
  const head = [xName, yName].map((name) => element('th', {scope: 'col'}, name))
  return element(
    'details',
    {},
    element('summary', {}, `${title} as a table`),
    element(
      'div',
      {class: 'tall', tabindex: 0, role: 'group', 'aria-label': `${title} as a table`},
      element('table', {}, element('thead', {}, element('tr', {}, ...head)), element('tbody', {}, ...rows)),
    ),
  )
}
