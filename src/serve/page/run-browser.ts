import type {RunMetrics, RunState, RunSummary} from '../schemas.js'
import type {Api, ServerEvent} from './api.js'
import {chart} from './chart.js'
import {byId, element, rowsOf} from './dom.js'
import {attempt, showTrouble} from './trouble.js'

/** What the log of a run tells, line by line. */
type Line =
  | {readonly type: 'step'; readonly step: number; readonly loss: number}
  | {
      readonly type: 'epoch'
      readonly epoch: number
      readonly step: number
      readonly valAccuracy: number | null
      readonly best: boolean
    }

const refreshMs = 5000
/** Between a broken connection and the next. */
const pauseMs = 3000
/** A drawing needs no more points than it has pixels. */
const mostPoints = 400

const states: Readonly<Record<RunState, string>> = {
  running: 'running',
  interrupted: 'interrupted',
  finished: 'finished',
  empty: 'without a state to go on from',
}

/** The list of training runs, and the curves of one of them, which grow while it runs. */
export class RunBrowser {
  readonly #api: Api
  #opened: RunMetrics | undefined
  #following = new AbortController()
  #isDrawn = true

  constructor(api: Api) {
    this.#api = api
  }

  /** Lists the runs now and from time to time, and opens the newest. */
  async start(): Promise<void> {
    const [newest] = await this.#list()
    if (newest !== undefined) await this.#open(newest.id)
    setInterval(() => {
      if (!document.hidden) attempt(() => this.#list())
    }, refreshMs)
  }

  async #list(): Promise<readonly RunSummary[]> {
    const {runs} = await this.#api.get<{runs: RunSummary[]}>('/runs')
    byId('runs', HTMLTableElement).hidden = runs.length === 0
    byId('runs-note', HTMLParagraphElement).textContent =
      runs.length === 0 ? 'There are no training runs in the folder that is looked at.' : ''
    const focused = document.activeElement?.getAttribute('data-run')
    rowsOf('runs').replaceChildren(...runs.map((run) => this.#row(run)))
    // The rows are new ones: who stood on one of them with the keyboard stays there.
    if (focused != null) {
      rowsOf('runs')
        .querySelector<HTMLElement>(`[data-run="${CSS.escape(focused)}"]`)
        ?.focus()
    }
    return runs
  }

  #row({id, state, epochs, plannedEpochs, steps, lastLoss, bestAccuracy}: RunSummary): HTMLTableRowElement {
    const isOpen = id === this.#opened?.id
    const button = element('button', {type: 'button', 'data-run': id, 'aria-current': isOpen && 'true'}, id)
    button.addEventListener('click', () => {
      attempt(async () => {
        await this.#open(id)
        await this.#list()
      })
    })
    return element(
      'tr',
      {},
      element('th', {scope: 'row'}, button),
      element('td', {}, states[state]),
      element('td', {}, plannedEpochs === null ? String(epochs) : `${epochs} of ${plannedEpochs}`),
      element('td', {}, String(steps)),
      element('td', {}, lastLoss?.toPrecision(3) ?? '–'),
      element('td', {}, bestAccuracy === null ? '–' : percent(bestAccuracy)),
    )
  }

  async #open(id: string): Promise<void> {
    this.#following.abort()
    this.#following = new AbortController()
    const {signal} = this.#following
    const run = await this.#api.get<RunMetrics>(`/runs/${encodeURIComponent(id)}/metrics`, signal)
    this.#opened = run
    byId('run', HTMLDivElement).hidden = false
    byId('run-title', HTMLHeadingElement).textContent = `Run ${id}`
    this.#draw()
    if (run.state !== 'finished') void this.#follow(run, signal)
  }

  /** Until the run is done; a broken connection is taken up again where it broke. */
  async #follow(run: RunMetrics, signal: AbortSignal): Promise<void> {
    for (;;) {
      try {
        const path = `/runs/${encodeURIComponent(run.id)}/events?from=${run.offset}`
        for await (const event of this.#api.follow(path, signal)) this.#take(run, event)
        if (run.state === 'finished') return
      } catch (error) {
        if (signal.aborted) return
        showTrouble(error)
      }
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
  }

  #take(run: RunMetrics, {type, data}: ServerEvent): void {
    if (type === 'state') run.state = (data as {state: RunState}).state
    if (type === 'reset') {
      Object.assign(run, {loss: [], validations: [], steps: 0, epochs: 0, offset: 0})
    }
    if (type === 'lines') {
      const {lines, offset} = data as {lines: readonly Line[]; offset: number}
      run.offset = offset
      for (const line of lines) add(run, line)
    }
    if (!this.#isDrawn || this.#opened !== run) return
    this.#isDrawn = false
    requestAnimationFrame(() => {
      this.#draw()
    })
  }

  #draw(): void {
    this.#isDrawn = true
    const run = this.#opened
    if (run === undefined) return
    const {state, steps, epochs, plannedEpochs, loss, validations} = run
    const planned = plannedEpochs === null ? '' : ` of ${plannedEpochs}`
    // Once an epoch is often enough to be read out.
    const said = `${states[state]}; ${epochs}${planned} epochs done`
    const place = byId('run-state', HTMLParagraphElement)
    if (place.textContent !== said) place.textContent = said
    const isOpen = [...document.querySelectorAll('#curves details')].map((details) =>
      details.hasAttribute('open'),
    )
    const curves = [
      chart({
        title: `Training loss, ${steps} steps`,
        xName: 'optimizer step',
        yName: 'loss',
        kind: 'loss',
        points: loss.map(({step, loss: value}) => [step, value]),
        yMax: undefined,
        formatY: (value) => value.toPrecision(3),
        formatTick: (value) => value.toPrecision(3),
      }),
      chart({
        title: 'Accuracy in validation',
        xName: 'optimizer step',
        yName: 'accuracy',
        kind: 'accuracy',
        points: validations.map(({step, accuracy}) => [step, accuracy]),
        yMax: 1,
        formatY: percent,
        formatTick: (share) => `${100 * share} %`,
      }),
    ]
    for (const [index, curve] of curves.entries()) {
      if (isOpen[index] === true) curve.querySelector('details')?.setAttribute('open', '')
    }
    byId('curves', HTMLDivElement).replaceChildren(...curves)
  }
}

function add(run: RunMetrics, line: Line): void {
  if (line.type === 'epoch') {
    const {epoch, step, valAccuracy: accuracy, best} = line
    run.epochs = epoch
    if (accuracy !== null) run.validations.push({epoch, step, accuracy, best})
    return
  }
  run.steps = line.step
  run.lastLoss = line.loss
  run.loss.push({step: line.step, loss: line.loss})
  if (run.loss.length > mostPoints) run.loss = run.loss.filter((_, index) => index % 2 === 1)
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`
}
