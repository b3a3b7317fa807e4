import {Refused} from './api.js'
import {byId} from './dom.js'

/** Says in words what went wrong; screen readers say it at once. */
export function showTrouble(error: unknown): void {
  if (error instanceof DOMException && error.name === 'AbortError') return
  const place = byId('trouble', HTMLParagraphElement)
  place.textContent = error instanceof Refused ? error.message : `The page failed: ${String(error)}`
  place.hidden = false
  if (error instanceof Refused && error.status === 401) byId('token-form', HTMLFormElement).hidden = false
}

/** Something worked again. */
export function clearTrouble(): void {
  byId('trouble', HTMLParagraphElement).hidden = true
}

/** Runs what an event started; nothing fails in silence. */
export function attempt(work: () => Promise<unknown>): void {
  work().catch(showTrouble)
}
