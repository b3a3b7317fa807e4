import {execa} from 'execa'
import {readFile} from 'node:fs/promises'
import {throwIfInterrupted} from '../breathe.js'
import {printable} from '../errors.js'
import {writeFileAtomic} from '../files.js'
import {pythonRoot} from '../paths.js'
import {cleanPythonEnv} from '../setup/base-python.mjs'
import {NotBuilt} from './not-built.js'

export type SelfTestOptions = {
  readonly python: string
  readonly library: string
  readonly signal?: AbortSignal | undefined
}

const timeoutMs = 180_000
const passed = 'passed'

/**
 * Has every kernel compute something, once for each build: how it ended is written into the note beside the library,
 * which Python reads before it loads it.
 *
 * @throws {NotBuilt} when a kernel computes something else than numpy, or the process does not survive it
 */
export async function selfTest(options: SelfTestOptions): Promise<void> {
  const note = options.library.replace(/so$/, 'txt')
  const text = await readFile(note, 'utf8')
  const outcome = /^self-test: (.*)$/m.exec(text)?.[1] ?? (await run(options))
  if (!text.includes('\nself-test: ')) await writeFileAtomic(note, `${text}self-test: ${outcome}\n`)
  if (outcome !== passed) throw new NotBuilt(`they failed their self-test (${printable(outcome, 300)})`)
}

async function run({python, library, signal}: SelfTestOptions): Promise<string> {
  const result = await execa(python, ['-m', 'vilbert.kernels_selftest'], {
    env: {
      ...cleanPythonEnv(process.env),
      PYTHONPATH: pythonRoot,
      VILBERT_TS_KERNELS: library,
      OMP_NUM_THREADS: '2',
    },
    extendEnv: false,
    stdin: 'ignore',
    timeout: timeoutMs,
    reject: false,
    ...(signal === undefined ? {} : {cancelSignal: signal}),
  })
  throwIfInterrupted(signal)
  if (!result.failed) return passed
  // Nothing is wrong with the library then, so the note must not say so.
  if (result.timedOut) throw new NotBuilt(`their self-test took more than ${timeoutMs / 1000} s`)
  if (result.signal !== undefined) return `Python ended with ${result.signal}`
  return result.stderr.trimEnd().split('\n').at(-1) ?? 'it said nothing'
}
