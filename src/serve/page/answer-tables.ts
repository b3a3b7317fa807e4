import type {PredictReply} from '../schemas.js'
import {byId, element, rowsOf} from './dom.js'
import type {Stage} from './stage.js'

/** The regions of an answer as a table; a row that is looked at is pointed out in the picture. */
export function showRegions({regions}: PredictReply, stage: Stage): void {
  const rows = regions.map(({index, score, box}) => {
    const button = element(
      'button',
      {type: 'button', 'aria-label': `Point out region ${index}`},
      String(index),
    )
    const row = element(
      'tr',
      {},
      element('th', {scope: 'row'}, button),
      element('td', {}, score.toFixed(3)),
      element('td', {}, box.map((edge) => edge.toFixed(0)).join(', ')),
    )
    onLook(row, button, (isLooked) => {
      stage.pointOut(isLooked ? index : undefined)
    })
    return row
  })
  rowsOf('regions').replaceChildren(...rows)
}

/** What each word does, as a table; the attention of a word that is looked at is coloured and said. */
export function showWords({words, leaveOut = [], attention}: PredictReply, stage: Stage): void {
  const note = byId('attention', HTMLParagraphElement)
  note.textContent =
    words.length === 0
      ? ''
      : 'Point at a word, or move to it, to see how much attention each region gives it. Attention is what the model mixes, not why it chooses: for that, see the score without the word.'
  const rows = words.map((word, place) => {
    const weights = attention?.words[place] ?? undefined
    const button = element('button', {type: 'button', 'aria-describedby': 'attention'}, word)
    const effect = leaveOut[place]
    const row = element(
      'tr',
      {},
      element('th', {scope: 'row'}, button),
      element('td', {}, effect?.score.toFixed(3) ?? '–'),
      element('td', {}, effect === undefined ? '–' : signed(-effect.drop)),
      element('td', {}, effect === undefined ? '–' : String(effect.chosen)),
    )
    onLook(row, button, (isLooked) => {
      stage.heat(isLooked ? weights : undefined)
      if (isLooked) note.textContent = attentionInWords(word, weights)
    })
    return row
  })
  rowsOf('words').replaceChildren(...rows)
  byId('words', HTMLTableElement).hidden = false
}

function attentionInWords(word: string, weights: readonly number[] | undefined): string {
  if (weights === undefined) return `The model does not read “${word}”: it is behind the 20th token.`
  const strongest = weights
    .map((weight, region) => ({weight, region}))
    .slice(1)
    .sort((a, b) => b.weight - a.weight)
    .slice(0, 3)
    .map(({weight, region}) => `region ${region} (${(100 * weight).toFixed(1)} %)`)
  const mean = weights.reduce((sum, weight) => sum + weight, 0) / weights.length
  return `Most attention to “${word}” comes from ${strongest.join(', ')}; the mean of all regions is ${(100 * mean).toFixed(1)} %.`
}

function signed(value: number): string {
  return `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(3)}`
}

/** A mouse over the row, or the keyboard on its button. */
function onLook(row: HTMLElement, button: HTMLElement, tell: (isLooked: boolean) => void): void {
  for (const [target, type, isLooked] of [
    [row, 'mouseenter', true],
    [row, 'mouseleave', false],
    [button, 'focus', true],
    [button, 'blur', false],
    [button, 'click', true],
  ] as const) {
    target.addEventListener(type, () => {
      tell(isLooked)
    })
  }
}
