import {printable} from '../errors.js'
import type {ComparedRuns} from '../report/compare-runs.js'
import {interval, percent, points, probability} from '../report/html/format.js'
import type {ReportNumbers} from '../report/measure-run.js'
import {outcomes, outcomeTexts} from '../report/outcome.js'
import {table} from './table.js'

/** A report in a table: splits from left to right. */
export function reportText({splits}: ReportNumbers): string {
  const row = (name: string, cell: (split: ReportNumbers['splits'][number]) => string): string[] => [
    name,
    ...splits.map(cell),
  ]
  return table([
    row('', ({split}) => split),
    row('sentences', ({sentences}) => String(sentences)),
    row('accuracy', ({accuracy}) => percent(accuracy.share, 2)),
    row('95 % interval', ({accuracy}) => interval(accuracy, 2)),
    row('ceiling of the proposals', ({ceiling}) => percent(ceiling.share, 2)),
    row('accuracy where reachable', ({choice}) => (choice === null ? '–' : percent(choice.share, 2))),
    ...[5, 10].map((k) =>
      row(`recall@${k}`, ({recall}) => percent(recall?.find((each) => each.k === k)?.share ?? Number.NaN, 2)),
    ),
    ...outcomes
      .slice(1)
      .map((outcome) =>
        row(outcomeTexts[outcome].name, ({outcomes: counts, sentences}) =>
          percent(counts[outcome] / sentences, 2),
        ),
      ),
  ])
}

const shownChanges = 10

/** A comparison in a table, with the first of the sentences that changed. */
export function compareText({names, numbers}: ComparedRuns): string {
  const {split, sentences, a, b, difference, mcnemarP, onlyA, onlyB, changes} = numbers
  const {low, high} = difference
  const bounds = low === null || high === null ? '–' : `${points(low)} to ${points(high)}`
  const figures = table([
    [`${split}, ${sentences} sentences`, 'accuracy', '95 % interval'],
    [`A: ${printable(names.a)}`, percent(a.share, 2), interval(a, 2)],
    [`B: ${printable(names.b)}`, percent(b.share, 2), interval(b, 2)],
    ['B − A, points', points(difference.value), bounds],
  ])
  const changed = changes
    .slice(0, shownChanges)
    .map(({gained, sentId, imageId, text}) => [
      gained ? '+' : '−',
      String(sentId),
      String(imageId),
      printable(text),
    ])
  const more =
    changes.length > shownChanges
      ? `\n… (${changes.length} in all; --html shows them, --json lists them)`
      : ''
  return [
    figures,
    `McNemar p ${probability(mcnemarP)}: only A is right ${onlyA} times, only B ${onlyB} times.`,
    ...(changed.length === 0 ? [] : [`${table([['', 'sentence', 'image', 'phrase'], ...changed])}${more}`]),
  ].join('\n')
}
