import type {Health} from '../schemas.js'
import {Api} from './api.js'
import {byId} from './dom.js'
import {ImageBrowser} from './image-browser.js'
import {Question} from './question.js'
import {RunBrowser} from './run-browser.js'
import {attempt, clearTrouble} from './trouble.js'

const api = new Api()
const question = new Question(api)
const images = new ImageBrowser(api, (id) => question.open(id))
const runs = new RunBrowser(api)

byId('token-form', HTMLFormElement).addEventListener('submit', (event) => {
  event.preventDefault()
  api.token = byId('token', HTMLInputElement).value.trim()
  attempt(start)
})
attempt(start)

/** What the server has decides what the page shows. */
async function start(): Promise<void> {
  const {model, version} = await api.get<Health>('/health')
  clearTrouble()
  byId('token-form', HTMLFormElement).hidden = true
  byId('about', HTMLParagraphElement).textContent =
    model === null
      ? `Version ${version}. This server has no model to ask; it shows training runs.`
      : `Version ${version}. ${model.file}, ${model.images} images of ${model.dataset} (${model.splitBy}).`
  byId('ask', HTMLElement).hidden = model === null
  attempt(() => runs.start())
  if (model !== null) await images.start()
}
