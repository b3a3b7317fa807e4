import type {ComparedRuns, CompareNumbers} from '../compare-runs.js'
import type {Pair} from '../compare-rows.js'
import type {Pictures} from '../pictures.js'
import {sample} from '../sample.js'
import {barChart} from './bar-chart.js'
import {tableOf} from './figure.js'
import {interval, percent, points, probability, whole} from './format.js'
import {gallery, type Card} from './gallery.js'
import {html, type Html} from './html.js'
import {page} from './page.js'

const pictureBudgetBytes = 3_800_000

/** The changes that a page shows: as many gained as lost, as far as there are. */
export function shownChanges({pairs}: ComparedRuns, count: number): readonly Pair[] {
  const changed = pairs.filter(({a, b}) => a.isRight !== b.isRight)
  return sample([changed.filter(({b}) => b.isRight), changed.filter(({a}) => a.isRight)], count)
}

/** A comparison as one file that needs nothing else. */
export function comparePage(compared: ComparedRuns, shown: readonly Pair[], pictures: Pictures): string {
  const {names, numbers} = compared
  const {bootstrap, data, split, runs} = numbers
  return page({
    title: `${names.b} compared with ${names.a}`,
    origin: `${data.dataset} (${data.splitBy}), ${split} · A: ${runs.a} · B: ${runs.b}`,
    body: html`${tiles(compared)} ${verdict(numbers)}
      <div class="grid-of">${accuracyChart(compared)} ${contingency(compared)}</div>
      ${changes(compared, shown, pictures)}`,
    footer: `Interval: ${100 * bootstrap.confidence} % percentile bootstrap of the difference, whole images drawn with replacement, ${bootstrap.replicates} replicates, seed ${bootstrap.seed}. McNemar: the exact two-sided binomial test on the sentences that only one model gets right. It takes sentences to be independent; those about one image are not, so where the two disagree, trust the interval. Made by vilbert-ts.`,
  })
}

function tiles({names, numbers}: ComparedRuns): Html {
  const {a, b, difference, mcnemarP, onlyA, onlyB, sentences, images} = numbers
  const bounds =
    difference.low === null || difference.high === null
      ? '–'
      : `${points(difference.low)} to ${points(difference.high)}`
  return html`<ul class="tiles">
    <li>
      <p class="what">B − A, percentage points</p>
      <p class="figure">${points(difference.value)}</p>
      <p class="more">95 % interval ${bounds}</p>
    </li>
    <li>
      <p class="what">McNemar p</p>
      <p class="figure">${probability(mcnemarP)}</p>
      <p class="more">${whole(onlyA + onlyB)} sentences changed</p>
    </li>
    <li>
      <p class="what">A: ${names.a}</p>
      <p class="figure">${percent(a.share, 2)}</p>
      <p class="more">${interval(a)}</p>
    </li>
    <li>
      <p class="what">B: ${names.b}</p>
      <p class="figure">${percent(b.share, 2)}</p>
      <p class="more">${interval(b)} · ${whole(sentences)} sentences, ${whole(images)} images</p>
    </li>
  </ul>`
}

function verdict({difference: {low, high}, unpaired}: CompareNumbers): Html {
  const isClear = low !== null && high !== null && (low > 0 || high < 0)
  const better = isClear && low > 0 ? 'B is better' : 'B is worse'
  const text = isClear
    ? `${better}: the interval of the difference leaves out zero.`
    : 'No difference is shown: the interval of the difference has zero in it.'
  const left =
    unpaired === 0 ? '' : ` ${whole(unpaired)} sentences that only one of them answered are left out.`
  return html`<p>${text}${left}</p>`
}

function accuracyChart({names, numbers: {a, b, split}}: ComparedRuns): Html {
  return barChart({
    id: 'accuracy',
    title: `Accuracy on ${split}`,
    description: `A ${percent(a.share, 2)}, B ${percent(b.share, 2)}.`,
    bars: [
      {name: `A: ${names.a}`, ...a},
      {name: `B: ${names.b}`, ...b},
    ],
    what: 'model',
    axis: 'accuracy (% of sentences)',
    note: 'Both are measured on the same sentences, so that their difference is surer than these intervals look.',
  })
}

function contingency({numbers: {bothRight, onlyA, onlyB, bothWrong}}: ComparedRuns): Html {
  const table = {
    heading: ['sentences', 'B right', 'B wrong'],
    rows: [
      ['A right', whole(bothRight), whole(onlyA)],
      ['A wrong', whole(onlyB), whole(bothWrong)],
    ],
  }
  return html`<figure class="chart">
    <figcaption>Sentence by sentence</figcaption>
    ${tableOf(table, 'Sentence by sentence')}
  </figure>`
}

function changes({world, numbers, names}: ComparedRuns, shown: readonly Pair[], pictures: Pictures): Html {
  const {categories, images} = world
  return gallery({
    title: 'What changed',
    intro: `${whole(shown.length)} of ${whole(numbers.changes.length)} sentences that only one of them gets right, as many gained as lost where there are, drawn by chance with a fixed seed.`,
    key: [
      {kind: 'target', text: 'T: target'},
      {kind: 'first', text: `A: ${names.a}`},
      {kind: 'second', text: `B: ${names.b}`},
    ],
    cards: shown.map((pair) => cardOf(pair, categories, numbers.split)),
    images,
    pictures,
    budgetBytes: pictureBudgetBytes,
  })
}

function cardOf({a, b}: Pair, categories: ReadonlyMap<number, string>, split: string): Card {
  const category = categories.get(a.categoryId) ?? `category ${a.categoryId}`
  const [boxA, boxB] = [a.regions[a.chosen], b.regions[b.chosen]]
  const overlaps = [a, b].map((answer) => (answer.overlaps[answer.chosen] ?? 0).toFixed(2))
  return {
    imageId: a.imageId,
    phrase: a.text,
    outcome: {name: b.isRight ? 'gained: only B is right' : 'lost: only A is right', isGood: b.isRight},
    category,
    split,
    boxes: [
      ...(boxB === undefined ? [] : [{kind: 'second' as const, letter: 'B', box: boxB}]),
      {kind: 'target', letter: 'T', box: a.target},
      ...(boxA === undefined ? [] : [{kind: 'first' as const, letter: 'A', box: boxA}]),
    ],
    facts: [
      `IoU A ${overlaps[0] ?? ''}, B ${overlaps[1] ?? ''}`,
      `${category}, sentence ${a.sentId}, image ${a.imageId}`,
    ],
  }
}
