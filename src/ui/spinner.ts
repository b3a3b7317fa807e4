import {isWatched} from './progress.js'

const FRAMES = ['-', '\\', '|', '/']
const FRAME_MS = 120

export type Spinner = {
  start(label: string): void
  /** Takes it away again; harmless when called twice. */
  stop(): void
}

/** Shows on stderr that something goes on, of which nobody here knows how far it is; silent where nobody watches. */
export function spinner(isEnabled: boolean): Spinner {
  let timer: NodeJS.Timeout | undefined
  return {
    start(label) {
      if (!isEnabled || !isWatched() || timer !== undefined) return
      let frame = 0
      timer = setInterval(() => {
        process.stderr.write(`\r${FRAMES[frame++ % FRAMES.length] ?? ''} ${label}`)
      }, FRAME_MS)
      timer.unref()
    },
    stop() {
      if (timer === undefined) return
      clearInterval(timer)
      timer = undefined
      process.stderr.write('\r\u001B[K')
    },
  }
}
