import type {BenchResult, Measurement} from '../bench/result.js'
import {escapeHtml} from './html.js'

const width = 760
const labelWidth = 210
const barHeight = 18
const rowHeight = 24
const top = 64
const bottom = 34
const titles: Readonly<Record<Measurement['section'], string>> = {
  eval: 'eval',
  train: 'train',
  data: 'data path',
  memory: 'memory of train',
}

/** A bar for each measurement of ours: how many times better than the published way; a file of its own. */
export function benchChart(result: BenchResult): string {
  const ours = result.measurements.filter(
    ({side, timesBaseline}) => side !== 'baseline' && timesBaseline !== null,
  )
  const most = Math.max(1, ...ours.map(({timesBaseline}) => timesBaseline ?? 0))
  const scale = (width - labelWidth - 70) / most
  const height = top + ours.length * rowHeight + bottom
  const {processor, threads} = result.machine
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="How many times faster than the published implementation">`,
    `<style>${style}</style>`,
    text(12, 24, 'Times faster than the published implementation', ' class="title"'),
    text(
      12,
      44,
      `${processor}, ${threads} threads, ${(result.parameters / 1e6).toFixed(1)} M numbers`,
      ' class="soft"',
    ),
    ...ours.map((measurement, index) => bar(measurement, top + index * rowHeight, scale)),
    `<line class="one" x1="${px(labelWidth + scale)}" x2="${px(labelWidth + scale)}" y1="${top - 8}" y2="${height - bottom + 4}"/>`,
    text(labelWidth + scale, height - 12, '1× = as fast as published', ' class="soft"'),
    '</svg>\n',
  ].join('\n')
}

function bar({section, profile, side, timesBaseline}: Measurement, y: number, scale: number): string {
  const times = timesBaseline ?? 0
  const label = `${titles[section]}, ${profile}${section === 'data' ? '' : `, ${side}`}`
  const length = px(times * scale)
  return [
    text(12, y + 13, label),
    `<rect class="${side}" x="${labelWidth}" y="${y}" width="${length}" height="${barHeight}" rx="3"/>`,
    text(labelWidth + times * scale + 6, y + 13, `${times.toFixed(times < 10 ? 1 : 0)}×`),
  ].join('')
}

const style =
  'text{font:13px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:#1a1d23}.title{font-size:16px;font-weight:600}' +
  '.soft{fill:#565d6b;font-size:12px}.fp32{fill:#2f6fd0}.bf16{fill:#c2500c}.one{stroke:#565d6b;stroke-dasharray:3 3}' +
  '@media (prefers-color-scheme:dark){text{fill:#eceef2}.soft{fill:#a4abb9}.fp32{fill:#6fa8ff}.bf16{fill:#ff9a5c}.one{stroke:#a4abb9}}'

function text(x: number, y: number, content: string, more = ''): string {
  return `<text x="${px(x)}" y="${px(y)}"${more}>${escapeHtml(content)}</text>`
}

function px(value: number): string {
  return `${Number(value.toFixed(1))}`
}
