import {SingleBar} from 'cli-progress'

export type ProgressOptions = {
  /** What is being done, in front of the bar. */
  readonly label: string
  /** What is counted, such as `steps`; `bytes` are shown as MiB. */
  readonly unit: string
  /**
   * Whether to draw at all; without a terminal nothing is drawn anyway.
   * @default true
   */
  readonly enabled?: boolean
}

export type ProgressBar = {
  /** Moves the bar; `note` (such as a loss) is shown behind the numbers. */
  update(done: number, total: number, note?: string): void
  /** Leaves the bar as it stands and goes to the next line; harmless when called twice. */
  stop(): void
}

/** A progress bar on stderr that stays silent where nobody watches: no terminal, `TERM=dumb`, `--json`. */
export function progressBar(options: ProgressOptions): ProgressBar {
  return (options.enabled ?? true) && isWatched() ? drawnBar(options) : silentBar
}

/** Whether somebody sees what moves on stderr: it is a terminal, and one that can move its cursor. */
export function isWatched(): boolean {
  return process.stderr.isTTY && process.env['TERM'] !== 'dumb'
}

const silentBar: ProgressBar = {update: () => undefined, stop: () => undefined}

/** The bar starts with the first update, so that no empty bar is drawn for work that fails at once. */
function drawnBar({label, unit}: ProgressOptions): ProgressBar {
  const bar = new SingleBar({
    format: `${label} [{bar}] {percentage}% {amount} {note}{left}`,
    stream: process.stderr,
    hideCursor: true,
    barsize: 24,
    etaBuffer: 50,
  })
  let startedAtMs: number | undefined
  return {
    update(done, total, note = '') {
      if (startedAtMs === undefined) bar.start(total, 0, {amount: '', note: '', left: ''})
      startedAtMs ??= Date.now()
      bar.setTotal(total)
      const left = timeLeft(Date.now() - startedAtMs, done, total)
      bar.update(Math.min(done, total), {amount: amount(done, total, unit), note: note && `${note} `, left})
    },
    stop() {
      if (startedAtMs !== undefined) bar.stop()
      startedAtMs = undefined
    },
  }
}

/** "3/10 steps", or MiB where bytes are counted. */
function amount(done: number, total: number, unit: string): string {
  if (unit !== 'bytes') return `${done}/${total} ${unit}`
  return `${(done / 2 ** 20).toFixed(1)}/${(total / 2 ** 20).toFixed(1)} MiB`
}

/** The time left at the mean pace so far; nothing before there is a pace. */
function timeLeft(elapsedMs: number, done: number, total: number): string {
  if (done <= 0 || done >= total || elapsedMs < 1000) return ''
  return `${duration((elapsedMs / done) * (total - done))} left`
}

/** A duration as people say it: 9 s, 4 min 10 s, 2 h 05 min. */
export function duration(ms: number): string {
  const seconds = Math.round(ms / 1000)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${String(seconds % 60).padStart(2, '0')} s`
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`
}
