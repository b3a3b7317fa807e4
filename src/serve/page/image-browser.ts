import type {ImageList} from '../schemas.js'
import type {Api} from './api.js'
import {byId, element} from './dom.js'
import {attempt} from './trouble.js'

const pageSize = 24

/** The images of the data set, a page of them at a time. */
export class ImageBrowser {
  readonly #api: Api
  readonly #open: (id: number) => Promise<void>
  readonly #list = byId('images', HTMLUListElement)
  readonly #split = byId('split', HTMLSelectElement)
  readonly #more = byId('more', HTMLButtonElement)

  /** @param open - opens an image that was chosen, and says whether it is the open one then */
  constructor(api: Api, open: (id: number) => Promise<boolean>) {
    this.#api = api
    this.#open = async (id) => {
      if (await open(id)) this.#mark(id)
    }
    this.#split.addEventListener('change', () => {
      this.#list.replaceChildren()
      attempt(() => this.#fetchMore())
    })
    this.#more.addEventListener('click', () => {
      attempt(() => this.#fetchMore())
    })
    byId('browse-form', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault()
      const {value} = byId('image-id', HTMLInputElement)
      if (value !== '') attempt(() => this.#open(Number(value)))
    })
  }

  /** Shows the first page of a split that nothing was trained on, if there is one, and opens its first image. */
  async start(): Promise<void> {
    const {splits} = await this.#api.get<ImageList>('/images?limit=0')
    this.#split.replaceChildren(...splits.map((split) => element('option', {value: split}, split)))
    const preferred = ['val', 'testA', 'test'].find((split) => splits.includes(split))
    if (preferred !== undefined) this.#split.value = preferred
    const first = await this.#fetchMore()
    if (first !== undefined) await this.#open(first)
  }

  async #fetchMore(): Promise<number | undefined> {
    const offset = this.#list.childElementCount
    const query = `split=${encodeURIComponent(this.#split.value)}&offset=${offset}&limit=${pageSize}`
    const {total, images} = await this.#api.get<ImageList>(`/images?${query}`)
    this.#list.append(...images.map((image) => element('li', {}, this.#button(image))))
    const left = total - this.#list.childElementCount
    this.#more.hidden = left <= 0
    this.#more.textContent = `More images (${left} left)`
    return images[0]?.id
  }

  #button({id, hasPicture}: ImageList['images'][number]): HTMLButtonElement {
    const button = element('button', {type: 'button', 'data-image': id, 'aria-label': `Image ${id}`})
    const picture = hasPicture
      ? element('img', {alt: '', loading: 'lazy'})
      : element('span', {class: 'blank'})
    button.append(picture, String(id))
    button.addEventListener('click', () => {
      attempt(() => this.#open(id))
    })
    if (picture instanceof HTMLImageElement) {
      attempt(async () => {
        picture.src = await this.#api.pictureUrl(id)
      })
    }
    return button
  }

  #mark(id: number): void {
    for (const button of this.#list.querySelectorAll('button')) {
      const isOpen = button.dataset['image'] === String(id)
      if (isOpen) button.setAttribute('aria-current', 'true')
      else button.removeAttribute('aria-current')
    }
  }
}
