import {sigmoid} from '../calibration.js'
import type {Judged} from '../judged.js'
import type {MeasuredRun} from '../measure-run.js'
import {outcomes, outcomeTexts} from '../outcome.js'
import type {Pictures} from '../pictures.js'
import {sample} from '../sample.js'
import type {SplitNumbers} from '../split-numbers.js'
import {percent, interval, whole} from './format.js'
import {gallery, type Card, type CardBox} from './gallery.js'
import {html, type Html} from './html.js'
import {learningCharts} from './learning-charts.js'
import {page} from './page.js'
import {splitCharts} from './split-charts.js'
import {stackedBars} from './stacked-bars.js'

/** A sentence of the gallery and the split that it is of. */
export type Shown = {readonly split: string; readonly sentence: Judged}

/** What a page may weigh but for its pictures, which have what is left of 5 MB. */
const pictureBudgetBytes = 3_800_000

/** The sentences that a report shows: of each way to end as many, three failures for a success, surest answers first. */
export function shownSentences({judged}: MeasuredRun, perSplit: number): readonly Shown[] {
  return [...judged].flatMap(([split, sentences]) => {
    const ended = outcomes.map((outcome) => sentences.filter((sentence) => sentence.outcome === outcome))
    const failures = sample(ended.slice(1), Math.ceil(0.75 * perSplit))
    const successes = sample(ended.slice(0, 1), perSplit - failures.length)
    const bySurety = [...failures].sort((a, b) => surety(b) - surety(a))
    return [...bySurety, ...successes].map((sentence) => ({split, sentence}))
  })
}

/** A report as one file that needs nothing else. */
export function reportPage(run: MeasuredRun, shown: readonly Shown[], pictures: Pictures): string {
  const {name, numbers, world} = run
  const {checkpoint, data, bootstrap, splits, learning} = numbers
  return page({
    title: `Report on ${name}`,
    origin: `${data.dataset} (${data.splitBy}) · ${checkpoint.file}, sha256 ${checkpoint.sha256.slice(0, 12)}… · ${numbers.run}`,
    body: html`${tiles(splits)} ${endings(splits)}
    ${splits.map((split, index) => splitSection(split, index === 0))}
    ${learning === null ? null : learningCharts(learning)}
    ${reportGallery(run, shown, pictures, world.images)}`,
    footer: `Intervals: ${100 * bootstrap.confidence} % percentile bootstrap, whole images drawn with replacement, ${bootstrap.replicates} replicates, seed ${bootstrap.seed}. IoU in the +1 pixel convention. An answer is right when the region of the highest logit has IoU > 0.5 with the target. Made by vilbert-ts; \`vilbert-ts report --json\` gives every number.`,
  })
}

/** The answer to "how good is it?", one tile a split. */
function tiles(splits: readonly SplitNumbers[]): Html {
  return html`<ul class="tiles">
    ${splits.map(
      ({split, accuracy, ceiling, choice, sentences, images}) =>
        html`<li>
          <p class="what">Accuracy on ${split}</p>
          <p class="figure">${percent(accuracy.share)}</p>
          <p class="more">${interval(accuracy)} · ${whole(sentences)} sentences, ${whole(images)} images</p>
          <p class="more">
            ceiling ${percent(ceiling.share)}; where reachable
            ${choice === null ? '–' : percent(choice.share)}
          </p>
        </li>`,
    )}
  </ul>`
}

/** The answer to "what is in its way?". */
function endings(splits: readonly SplitNumbers[]): Html {
  const onNothing = splits.map(({split, onNothing: count}) => `${split} ${whole(count)}`).join(', ')
  return html`<section aria-labelledby="endings-title">
    <h2 id="endings-title">What is in the way</h2>
    <p>
      The detector, where there is no right proposal; the choice, where there is one and another was taken.
      Each sentence counts once, for the first of these that holds.
    </p>
    ${stackedBars({
      id: 'outcomes',
      title: 'How the answers ended',
      description: splits.map(describeEndings).join(' '),
      parts: outcomes.map((outcome, index) => ({
        name: outcomeTexts[outcome].name,
        className: `part-${index + 1}`,
      })),
      rows: splits.map(({split, outcomes: counts}) => ({
        name: split,
        counts: outcomes.map((outcome) => counts[outcome]),
      })),
      note: `Of “${outcomeTexts.otherCategory.name}”, on nothing annotated: ${onNothing}.`,
    })}
    <dl>
      ${outcomes.map(
        (outcome) =>
          html`<dt>${outcomeTexts[outcome].name}</dt>
            <dd>${outcomeTexts[outcome].meaning}</dd>`,
      )}
    </dl>
  </section>`
}

function describeEndings({split, outcomes: counts, sentences}: SplitNumbers): string {
  const parts = outcomes.map(
    (outcome) => `${outcomeTexts[outcome].name} ${percent(counts[outcome] / sentences)}`,
  )
  return `${split}: ${parts.join(', ')}.`
}

function splitSection(numbers: SplitNumbers, isOpen: boolean): Html {
  const {split, accuracy, meanOverlap, refs} = numbers
  const content = html`<summary>${split}: ${percent(accuracy.share)}</summary>
    <p class="note">${whole(refs)} refs; mean IoU of the chosen boxes ${meanOverlap.toFixed(3)}.</p>
    <div class="grid-of">${splitCharts(numbers)}</div>`
  return html`${isOpen ? html`<h2>Split by split</h2>` : null}
  ${isOpen ? html`<details class="split" open>${content}</details>` : html`<details class="split">${content}</details>`}`
}

function reportGallery(
  {judged, world}: MeasuredRun,
  shown: readonly Shown[],
  pictures: Pictures,
  images: MeasuredRun['world']['images'],
): Html {
  const total = [...judged.values()].reduce((sum, {length}) => sum + length, 0)
  return gallery({
    title: 'Failures and successes',
    intro: `${whole(shown.length)} of ${whole(total)} sentences: of each way to fail about as many, drawn by chance with a fixed seed, the surest answers first; then successes.`,
    key: [
      {kind: 'target', text: 'T: target'},
      {kind: 'first', text: '1: chosen'},
      {kind: 'second', text: '2: runner-up'},
    ],
    cards: shown.map((each) => cardOf(each, world.categories)),
    images,
    pictures,
    budgetBytes: pictureBudgetBytes,
  })
}

function cardOf({split, sentence}: Shown, categories: ReadonlyMap<number, string>): Card {
  const {imageId, text, target, regions, overlaps, chosen, ranking, outcome, categoryId, sentId} = sentence
  const category = categories.get(categoryId) ?? `category ${categoryId}`
  const runnerUp = ranking?.[1]
  const box = (kind: CardBox['kind'], letter: string, region: number | undefined): CardBox[] => {
    const found = region === undefined ? undefined : regions[region]
    return found === undefined ? [] : [{kind, letter, box: found}]
  }
  return {
    imageId,
    phrase: text,
    outcome: {name: outcomeTexts[outcome].name, isGood: outcome === 'right'},
    category,
    split,
    boxes: [
      ...box('second', '2', runnerUp),
      {kind: 'target', letter: 'T', box: target},
      ...box('first', '1', chosen),
    ],
    facts: [
      `IoU ${(overlaps[chosen] ?? 0).toFixed(2)}, best proposal ${Math.max(...overlaps).toFixed(2)}`,
      ...scores(sentence, chosen, runnerUp),
      `${category}, ${split}, sentence ${sentId}, image ${imageId}`,
    ],
  }
}

function scores({logits}: Judged, chosen: number, runnerUp: number | undefined): readonly string[] {
  const first = logits?.[chosen]
  const second = runnerUp === undefined ? undefined : logits?.[runnerUp]
  if (first === undefined) return []
  return [
    `score ${sigmoid(first).toFixed(2)}${second === undefined ? '' : `, runner-up ${sigmoid(second).toFixed(2)}`}`,
  ]
}

function surety({logits, chosen}: Judged): number {
  return logits?.[chosen] ?? 0
}
