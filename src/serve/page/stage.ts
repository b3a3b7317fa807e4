import type {ImageDetails, PredictReply} from '../schemas.js'
import type {Api} from './api.js'
import {byId, drawing} from './dom.js'

type Box = PredictReply['regions'][number]['box']

/** More words over a picture would hide it. */
const mostTags = 3

/** The picture with boxes over it. It is a drawing of what the tables say. */
export class Stage {
  readonly #api: Api
  readonly #picture = byId('picture', HTMLImageElement)
  readonly #boxes = byId('boxes', SVGSVGElement)
  readonly #targetKey = byId('target-key', HTMLLIElement)
  #image: ImageDetails | undefined
  #answer: PredictReply | undefined
  #target: Box | undefined

  constructor(api: Api) {
    this.#api = api
  }

  /** Shows an image without boxes. */
  async show(image: ImageDetails): Promise<void> {
    this.#image = image
    this.#answer = undefined
    this.#boxes.setAttribute('viewBox', `0 0 ${image.width} ${image.height}`)
    this.#draw({})
    this.#picture.hidden = !image.hasPicture
    this.#picture.alt = `Image ${image.id}`
    const missing = image.hasPicture
      ? ''
      : ' The file of the picture is not there: boxes are drawn without it.'
    byId('caption', HTMLElement).textContent =
      `Image ${image.id}, ${image.width} × ${image.height} pixels.${missing}`
    if (!image.hasPicture) return
    const url = await this.#api.pictureUrl(image.id)
    if (this.#image !== image) return
    if (this.#picture.src.startsWith('blob:')) URL.revokeObjectURL(this.#picture.src)
    this.#picture.src = url
  }

  /** Draws the boxes of an answer, and the box that was meant where that is known. */
  showAnswer(answer: PredictReply | undefined, target?: Box): void {
    this.#answer = answer
    this.#target = target
    this.#draw({})
  }

  /** Points one region out. */
  pointOut(index: number | undefined): void {
    this.#draw({index})
  }

  /** Colours the regions by weights, the strongest of them fully. */
  heat(weights: readonly number[] | undefined): void {
    this.#draw({weights})
  }

  #draw({
    index,
    weights,
  }: {
    readonly index?: number | undefined
    readonly weights?: readonly number[] | undefined
  }) {
    const {regions = [], attention} = this.#answer ?? {}
    const last = regions.length - 1
    const heat = weights === undefined ? [] : heatOf(attention?.boxes ?? [], weights)
    const ranked = [...regions]
      .reverse()
      .flatMap((region, place) => [
        rectangle(region.box, 'casing'),
        rectangle(
          region.box,
          `box${place === last ? ' first' : ''}${region.index === index ? ' shown' : ''}`,
        ),
      ])
    const tags = regions
      .slice(0, mostTags)
      .map(({index: region, box, score}, place) => this.#tag(region, box, score, place === 0))
    const target = this.#target === undefined ? [] : [rectangle(this.#target, 'box target')]
    this.#targetKey.hidden = this.#target === undefined
    this.#boxes.replaceChildren(...heat, ...ranked, ...target, ...tags)
  }

  #tag(region: number, [x, y]: Box, score: number, isFirst: boolean): SVGTextElement {
    const size = Math.max(10, (this.#image?.width ?? 500) / 30)
    return drawing(
      'text',
      {
        class: isFirst ? 'tag first' : 'tag',
        x: x + size / 4,
        y: Math.max(size, y + size),
        'font-size': size,
        'stroke-width': size / 5,
      },
      `${region}: ${score.toFixed(2)}`,
    )
  }
}

/** Small regions over large ones; the whole image, region 0, would only hide the others. */
function heatOf(boxes: readonly Box[], weights: readonly number[]): SVGRectElement[] {
  const regions = boxes.flatMap((box, index) => (index === 0 ? [] : [{box, weight: weights[index] ?? 0}]))
  const all = regions.map(({weight}) => weight)
  const [least, most] = [Math.min(...all), Math.max(...all)]
  return regions
    .sort((a, b) => area(b.box) - area(a.box))
    .map(({box, weight}) => {
      const share = most === least ? 0 : (weight - least) / (most - least)
      return rectangle(box, 'heat', {'fill-opacity': (0.75 * share ** 2).toFixed(3)})
    })
}

function area([x1, y1, x2, y2]: Box): number {
  return (x2 - x1) * (y2 - y1)
}

function rectangle([x1, y1, x2, y2]: Box, kind: string, more: Record<string, string> = {}): SVGRectElement {
  return drawing('rect', {class: kind, x: x1, y: y1, width: x2 - x1, height: y2 - y1, ...more})
}
