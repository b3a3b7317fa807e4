import type {DataStats, SplitStats} from '../data/stats.js'
import {printable} from '../errors.js'
import {histogram} from './histogram.js'
import {escapeHtml} from './html.js'
import {leakSentences, splitFigures} from './stats-text.js'

/** The figures of a data set as one HTML page that needs nothing else: no script, no font, no network. */
export function statsPage(stats: DataStats): string {
  const name = `${stats.dataset} (${stats.splitBy})`
  const filled = stats.splits.filter(({refs}) => refs > 0)
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escapeHtml(name)}</title>
<style>${style}</style>
</head>
<body>
<h1>${escapeHtml(name)}</h1>
${splitTable(stats.splits)}
<p>A region counts as right when its IoU with the box that is meant is above 0.5; the ceiling is the share of
sentences for which there is such a region among those that evaluation offers.</p>
<h2>Leaks between splits</h2>
${leakList(stats)}
${filled.map(chartsOf).join('\n')}
<h2>Categories</h2>
${categoryTable(stats)}
</body>
</html>
`
}

const style = `
:root{color-scheme:light dark;--ink:#1f2328;--paper:#fff;--rule:#d0d7de;--bar:#2f6fb0}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--paper:#0d1117;--rule:#30363d;--bar:#6cb0f2}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:72rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;display:block;overflow-x:auto}
th,td{padding:.25rem .75rem;border-bottom:1px solid var(--rule);text-align:right}
th:first-child,td:first-child{text-align:left}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(20rem,1fr));gap:1rem}
svg{width:100%;height:auto}
svg text{fill:var(--ink);font:12px system-ui,sans-serif}
svg text.title{font-weight:600;font-size:13px}
svg .bar{fill:var(--bar)}
svg .rule{stroke:var(--rule)}
`

function splitTable(splits: readonly SplitStats[]): string {
  return tableOf([
    ['', ...splits.map(({split}) => split)],
    ...splitFigures.map(([label, show]) => [label, ...splits.map(show)]),
  ])
}

function leakList(stats: DataStats): string {
  if (stats.leaks.length === 0) return '<p>No image is in two splits.</p>'
  const items = leakSentences(stats).map((line, index) => {
    const examples = stats.leaks[index]?.examples ?? []
    const shown = examples.map(
      ({imageId, text}) => `<li>image ${imageId}: ${escapeHtml(printable(text))}</li>`,
    )
    return `<li>${escapeHtml(line)}${shown.length === 0 ? '' : `<ul>${shown.join('')}</ul>`}</li>`
  })
  return `<ul>${items.join('')}</ul>`
}

function chartsOf(stats: SplitStats): string {
  const charts = [
    histogram(stats.wordsPerSentence, {
      title: 'Length of the sentences',
      xLabel: 'length (words)',
      yLabel: 'sentences (count)',
    }),
    histogram(stats.regionsPerImage, {
      title: 'Detected regions',
      xLabel: 'regions of an image (count)',
      yLabel: 'images (count)',
    }),
    histogram(stats.boxAreaPercent, {
      title: 'Size of the boxes that are meant',
      xLabel: 'area (% of the image)',
      yLabel: 'refs (count)',
    }),
    histogram(stats.sentencesPerRef, {
      title: 'Sentences of a ref',
      xLabel: 'sentences of a ref (count)',
      yLabel: 'refs (count)',
    }),
  ]
  return `<h2>${escapeHtml(stats.split)}</h2>\n<div class="charts">${charts.join('\n')}</div>`
}

function categoryTable({splits, categories}: DataStats): string {
  const names = splits.map(({split}) => split)
  return tableOf([
    ['category', 'refs', 'sentences', ...names.map((split) => `refs in ${split}`)],
    ...categories.map(({name, refs, sentences, refsBySplit}) => [
      printable(name, 60),
      `${refs}`,
      `${sentences}`,
      ...names.map((split) => `${refsBySplit[split] ?? 0}`),
    ]),
  ])
}

function tableOf([head = [], ...rows]: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[], tag: string): string =>
    `<tr>${cells.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join('')}</tr>`
  return `<table><thead>${line(head, 'th')}</thead><tbody>${rows.map((row) => line(row, 'td')).join('\n')}</tbody></table>`
}
