import type {Box} from '../../data/overlap.js'
import type {Pictures} from '../pictures.js'
import type {WorldImage} from '../world.js'
import {html, trusted, type Html} from './html.js'

/** A box to draw: which one it is also tells its dashes and its letter. */
export type CardBox = {
  readonly kind: 'target' | 'first' | 'second'
  readonly letter: string
  readonly box: Box
}

/** One sentence in the gallery. */
export type Card = {
  readonly imageId: number
  readonly phrase: string
  /** What the cards are sorted out by. */
  readonly outcome: {readonly name: string; readonly isGood: boolean}
  readonly category: string
  readonly split: string
  readonly boxes: readonly CardBox[]
  readonly facts: readonly string[]
}

export type Gallery = {
  readonly title: string
  readonly intro: string
  readonly key: readonly {readonly kind: CardBox['kind']; readonly text: string}[]
  readonly cards: readonly Card[]
  readonly images: ReadonlyMap<number, WorldImage>
  readonly pictures: Pictures
  /** How many bytes the pictures may take in the page. */
  readonly budgetBytes: number
}

/** Sentences with their boxes on the image, to be sorted out by a form. Each picture is there once, however often drawn. */
export function gallery({title, intro, key, cards, images, pictures, budgetBytes}: Gallery): Html {
  const carried = affordable(cards, pictures, budgetBytes)
  const without = new Set(cards.map(({imageId}) => imageId).filter((id) => !carried.has(id))).size
  const missing = `${without} of the images are drawn without their picture: it was not found, or the page is full.`
  return html`<section id="gallery" aria-labelledby="gallery-title">
    <h2 id="gallery-title">${title}</h2>
    <p>${intro}</p>
    <ul class="key">
      ${key.map(
        ({kind, text}) =>
          html`<li>
            <svg viewBox="0 0 26 14" aria-hidden="true">
              <rect class="box ${kind}" x="2" y="2" width="22" height="10" /></svg
            >${text}
          </li>`,
      )}
    </ul>
    ${without === 0 ? null : html`<p class="note">${missing}</p>`} ${store(carried, images)}
    ${filterForm(cards)}
    <p id="shown" role="status"></p>
    <div class="cards">
      ${cards.map((card) => drawCard(card, images.get(card.imageId), carried.has(card.imageId)))}
    </div>
  </section>`
}

/** Pictures in the order of their cards, while the budget lasts. */
function affordable(cards: readonly Card[], pictures: Pictures, budgetBytes: number): Pictures {
  const carried = new Map<number, Buffer>()
  let leftBytes = budgetBytes
  for (const {imageId} of cards) {
    const picture = pictures.get(imageId)
    const cost = picture === undefined ? Number.POSITIVE_INFINITY : Math.ceil(picture.length / 3) * 4
    if (picture === undefined || carried.has(imageId) || cost > leftBytes) continue
    carried.set(imageId, picture)
    leftBytes -= cost
  }
  return carried
}

/** The pictures in coordinates of the original images, for the cards to point to. */
function store(pictures: Pictures, images: ReadonlyMap<number, WorldImage>): Html {
  return html`<svg class="store" aria-hidden="true">
    <defs>
      ${[...pictures].map(([id, picture]) => {
        const {width, height} = images.get(id) ?? {width: 1, height: 1}
        const source = trusted(`data:image/jpeg;base64,${picture.toString('base64')}`)
        return html`<image
          id="picture-${id}"
          width="${width}"
          height="${height}"
          preserveAspectRatio="none"
          href="${source}"
        />`
      })}
    </defs>
  </svg>`
}

/** Shown by the page's script: without it, nothing could be filtered. */
function filterForm(cards: readonly Card[]): Html {
  const select = (name: string, label: string, values: readonly string[]): Html | null =>
    values.length < 2
      ? null
      : html`<label
          >${label}<select name="${name}">
            <option value="">all</option>
            ${values.map((value) => html`<option value="${value}">${value}</option>`)}
          </select></label
        >`
  const distinct = (values: readonly string[]): readonly string[] => [...new Set(values)]
  return html`<form id="filter" hidden>
    ${select('outcome', 'Outcome', distinct(cards.map(({outcome}) => outcome.name)))}
    ${select('split', 'Split', distinct(cards.map(({split}) => split)))}
    ${select('category', 'Category', distinct(cards.map(({category}) => category)).toSorted())}
    <label>Phrase contains<input type="search" name="text" autocomplete="off" /></label>
  </form>`
}

function drawCard(card: Card, image: WorldImage | undefined, hasPicture: boolean): Html {
  const {imageId, phrase, outcome, category, split, boxes, facts} = card
  const {width, height} = image ?? {width: 640, height: 480}
  const letterSize = Math.max(width, height) / 18
  const described = boxes
    .map(({kind, box}) => `${kind} ${box.map((edge) => Math.round(edge)).join(' ')}`)
    .join(', ')
  return html`<article
    class="card"
    data-outcome="${outcome.name}"
    data-category="${category}"
    data-split="${split}"
    data-text="${phrase.toLowerCase()}"
  >
    <svg
      viewBox="0 0 ${width} ${height}"
      role="img"
      aria-label="Image ${imageId}. Boxes x1 y1 x2 y2 in pixels: ${described}"
    >
      ${hasPicture ? html`<use href="#picture-${imageId}" />` : html`<rect class="blank" width="${width}" height="${height}" />`}
      ${boxes.map((box) => drawBox(box, letterSize))}
    </svg>
    <h3><bdi>${phrase}</bdi></h3>
    <p class="badge ${outcome.isGood ? 'good' : 'bad'}">${outcome.name}</p>
    <p class="facts">${facts.map((fact) => html`<span>${fact}</span>`)}</p>
  </article>`
}

function drawBox({kind, letter, box: [x1, y1, x2, y2]}: CardBox, letterSize: number): Html {
  const [x, y, w, h] = [x1, y1, Math.max(x2 - x1, 1), Math.max(y2 - y1, 1)].map(
    (value) => Math.round(10 * value) / 10,
  )
  const letterX = kind === 'target' ? x1 + letterSize * 0.25 : x2 - letterSize * 0.25
  const letterY = kind === 'second' ? y2 - letterSize * 0.25 : y1 + letterSize
  const anchor = kind === 'target' ? 'start' : 'end'
  return html`<rect class="casing" x="${x ?? 0}" y="${y ?? 0}" width="${w ?? 1}" height="${h ?? 1}" />
    <rect class="box ${kind}" x="${x ?? 0}" y="${y ?? 0}" width="${w ?? 1}" height="${h ?? 1}" />
    <text
      class="letter ${kind}"
      x="${Math.round(letterX)}"
      y="${Math.round(letterY)}"
      font-size="${Math.round(letterSize)}"
      text-anchor="${anchor}"
      >${letter}</text
    >`
}
