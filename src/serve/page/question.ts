import type {ImageDetails, PredictReply} from '../schemas.js'
import {showRegions, showWords} from './answer-tables.js'
import {Refused, type Api} from './api.js'
import {byId, element} from './dom.js'
import {Stage} from './stage.js'
import {attempt, clearTrouble, showTrouble} from './trouble.js'

/** How long nothing is typed until the model is asked. */
const pauseMs = 350
const mostTries = 4

/** An image, a phrase, and what the model makes of them. */
export class Question {
  readonly #api: Api
  readonly #stage: Stage
  readonly #phrase = byId('phrase', HTMLInputElement)
  readonly #said = byId('answer', HTMLParagraphElement)
  readonly #results = byId('results', HTMLDivElement)
  #image: ImageDetails | undefined
  #answer: PredictReply | undefined
  #asking = new AbortController()
  #timer = 0
  #opened = 0

  constructor(api: Api) {
    this.#api = api
    this.#stage = new Stage(api)
    byId('phrase-form', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault()
      attempt(() => this.#ask())
    })
    this.#phrase.addEventListener('input', () => {
      clearTimeout(this.#timer)
      this.#timer = setTimeout(() => {
        attempt(() => this.#ask())
      }, pauseMs)
    })
    byId('download', HTMLButtonElement).addEventListener('click', () => {
      this.#download()
    })
  }

  /**
   * Opens an image; what was asked is asked of it, too. Whoever opens another one in the meantime gets that one.
   * @returns whether the image is the open one
   */
  async open(id: number): Promise<boolean> {
    const turn = ++this.#opened
    const isOvertaken = (): boolean => turn !== this.#opened
    const image = await this.#api.get<ImageDetails>(`/images/${id}`).catch((error: unknown) => {
      if (isOvertaken()) return undefined
      throw error
    })
    if (image === undefined || isOvertaken()) return false
    clearTrouble()
    this.#image = image
    this.#results.hidden = true
    const field = byId('image-id', HTMLInputElement)
    if (document.activeElement !== field) field.value = String(id) // Nobody is typing there.
    this.#listSentences(image)
    await this.#stage.show(image)
    if (!isOvertaken()) await this.#ask()
    return !isOvertaken()
  }

  async #ask(): Promise<void> {
    clearTimeout(this.#timer)
    this.#asking.abort()
    this.#asking = new AbortController()
    const {signal} = this.#asking
    const phrase = this.#phrase.value.trim()
    if (this.#image === undefined || phrase === '') {
      this.#stage.showAnswer(undefined)
      this.#results.hidden = true
      this.#said.textContent = 'Say in words which object is meant.'
      return
    }
    this.#said.textContent = 'Asking…'
    try {
      const asked = {image: this.#image.id, phrase}
      this.#show(await this.#patiently(asked, signal))
      this.#showWords(await this.#patiently({...asked, attention: true, leaveOut: true}, signal))
    } catch (error) {
      if (signal.aborted) return
      this.#said.textContent = 'There is no answer.'
      showTrouble(error)
    }
  }

  /** A busy model says when to come back. */
  async #patiently(body: unknown, signal: AbortSignal): Promise<PredictReply> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#api.post<PredictReply>('/predict', body, signal)
      } catch (error) {
        const seconds = error instanceof Refused ? error.retryAfterSeconds : undefined
        if (seconds === undefined || tries === mostTries) throw error
        this.#said.textContent = `${error instanceof Error ? error.message : ''} This is tried again.`
        await new Promise((resolve) => setTimeout(resolve, 1000 * seconds))
        signal.throwIfAborted()
      }
    }
  }

  #show(answer: PredictReply): void {
    clearTrouble()
    this.#answer = answer
    this.#stage.showAnswer(answer, this.#targetOf(answer.phrase))
    showRegions(answer, this.#stage)
    byId('words', HTMLTableElement).hidden = true
    byId('attention', HTMLParagraphElement).textContent = ''
    const [best, second] = answer.regions
    this.#said.textContent =
      best === undefined
        ? 'The image has no regions.'
        : `Region ${best.index} fits “${answer.phrase}” best: score ${best.score.toFixed(2)}${
            second === undefined ? '' : `, the next has ${second.score.toFixed(2)}`
          }.`
    this.#results.hidden = false
  }

  #showWords(answer: PredictReply): void {
    this.#answer = answer
    this.#stage.showAnswer(answer, this.#targetOf(answer.phrase))
    showWords(answer, this.#stage)
  }

  /** What people meant by this very phrase, if they wrote it of this image. */
  #targetOf(phrase: string) {
    const refs = this.#image?.refs.filter(({sentences}) => sentences.includes(phrase)) ?? []
    return refs.length === 1 ? refs[0]?.box : undefined
  }

  #listSentences({refs}: ImageDetails): void {
    const sentences = [...new Set(refs.flatMap((ref) => ref.sentences))]
    const items = sentences.map((sentence) => {
      const button = element('button', {type: 'button'}, sentence)
      button.addEventListener('click', () => {
        this.#phrase.value = sentence
        attempt(() => this.#ask())
      })
      return element('li', {}, button)
    })
    byId('sentences', HTMLUListElement).replaceChildren(...items)
  }

  #download(): void {
    const text = `${JSON.stringify(this.#answer, null, 2)}\n`
    const url = URL.createObjectURL(new Blob([text], {type: 'application/json'}))
    const link = element('a', {href: url, download: `image-${this.#image?.id ?? 0}.json`})
    link.click()
    setTimeout(() => {
      URL.revokeObjectURL(url)
    }, 1000)
  }
}
