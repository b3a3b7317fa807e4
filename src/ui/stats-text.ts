import type {DataStats, SplitStats} from '../data/stats.js'
import {printable} from '../errors.js'
import {table} from './table.js'

const shownCategories = 10

/** The figures of a data set for a terminal: splits side by side, the commonest categories, leaks. */
export function statsText(stats: DataStats): string {
  const {dataset, splitBy, splits, categories} = stats
  const parts = [`${dataset} (${splitBy})`, splitTable(splits)]
  const rows = categories
    .slice(0, shownCategories)
    .map(({name, refs, sentences}) => [printable(name, 40), `${refs}`, `${sentences}`])
  if (rows.length > 0) parts.push(table([['category', 'refs', 'sentences'], ...rows]))
  if (categories.length > shownCategories)
    parts.push(`… and ${categories.length - shownCategories} categories more (--json, --html)`)
  parts.push(leaksText(stats))
  return parts.join('\n\n')
}

/** The figures that are shown of each split: what they are called, and how they are written. */
export const splitFigures: readonly (readonly [string, (split: SplitStats) => string])[] = [
  ['refs', ({refs}) => `${refs}`],
  ['sentences', ({sentences}) => `${sentences}`],
  ['images', ({images}) => `${images}`],
  ['words', ({words}) => `${words}`],
  ['different words', ({distinctWords}) => `${distinctWords}`],
  ['words per sentence, mean (most)', ({wordsPerSentence: d}) => `${d.mean.toFixed(2)} (${d.max})`],
  ['sentences per ref, mean', ({sentencesPerRef}) => sentencesPerRef.mean.toFixed(2)],
  [
    'regions per image, mean (least–most)',
    ({regionsPerImage: d}) => `${d.mean.toFixed(1)} (${d.min}–${d.max})`,
  ],
  ['box area in % of the image, median', ({boxAreaPercent}) => boxAreaPercent.median.toFixed(1)],
  [
    'boxes below 32², below 96², larger (px²)',
    ({boxSizes: {small, medium, large}}) => `${small} / ${medium} / ${large}`,
  ],
  [
    'ceiling of the regions',
    ({ceiling, sentences}) => (sentences === 0 ? '–' : `${(100 * ceiling.accuracy).toFixed(2)} %`),
  ],
]

/** One sentence about each pair of splits that share images. */
export function leakSentences({leaks}: DataStats): string[] {
  return leaks.map(
    ({splits: [a, b], images, sentences}) =>
      `${a} and ${b} share ${images} image${images === 1 ? '' : 's'}; ` +
      `${sentences} sentence${sentences === 1 ? '' : 's'} about the same image ${sentences === 1 ? 'is' : 'are'} in both.`,
  )
}

function splitTable(splits: readonly SplitStats[]): string {
  const rows = splitFigures.map(([label, show]) => [label, ...splits.map(show)])
  return table([['', ...splits.map(({split}) => split)], ...rows])
}

function leaksText(stats: DataStats): string {
  return stats.leaks.length === 0
    ? 'No image is in two splits.'
    : leakSentences(stats)
        .map((line) => `leak: ${line}`)
        .join('\n')
}
