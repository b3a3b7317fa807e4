import {
  Listr,
  ListrLogger,
  ProcessOutput,
  type ListrDefaultRendererLogLevels,
  type ListrLogLevels,
} from 'listr2'
import {currentVenv, fromSetupFailure} from '../bridge/python-environment.js'
import {EnvironmentError, InterruptedError} from '../errors.js'
import {buildKernels} from '../kernels/build.js'
import {isWatched} from '../ui/progress.js'
import {withLock} from './lock.mjs'
import {reportPython} from './python-report.js'
import {requiredPackages} from './requirements.js'
import {planVenv, venvPython, type SetupStep} from './venv.mjs'

/** Which environment {@link setUpEnvironment} makes, and whether it shows how. */
export type SetUpOptions = {
  /** Python to make the environment from; by default the first on PATH that fits. */
  readonly python?: string | undefined
  /** Install Paddle for GPUs; without it an environment stays what it is. */
  readonly gpu: boolean
  /** No progress list. */
  readonly silent: boolean
  readonly signal: AbortSignal
}

/** The environment that computes, and whether anything had to be done. */
export type SetUpResult = {
  readonly venv: string
  readonly python: string
  readonly pythonVersion: string
  readonly paddleVersion: string
  readonly device: string
  readonly kernels: {
    /** The library; null where Paddle's own operators compute. */
    readonly library: string | null
    /** Why there is none. */
    readonly reason: string | null
  }
  /** Whether there was anything to do. */
  readonly changed: boolean
}

/**
 * Makes the Python environment, or completes it, builds the kernels where that is possible, and has Paddle compute
 * something.
 *
 * @throws {EnvironmentError} when Python or a package does not fit
 * @throws {NetworkError} when packages cannot be fetched
 */
export async function setUpEnvironment(options: SetUpOptions): Promise<SetUpResult> {
  const {python, gpu, signal} = options
  const venv = {...currentVenv(), python, signal, ...(gpu ? {gpu} : {})}
  try {
    return await withLock(`${venv.venvDir}.lock`, async () => {
      const steps = await planVenv(venv)
      await runSteps(steps, options)
      const found = await checkedPaddle(venv.venvDir, signal)
      const {changed, ...kernels} = await kernelsFor(found.python, options)
      return {...found, kernels, changed: changed || steps.length > 0}
    })
  } catch (error) {
    if (signal.aborted) throw new InterruptedError(undefined, {cause: error})
    throw fromSetupFailure(error)
  }
}

/** The list goes to stderr: stdout belongs to the result. */
async function runSteps(steps: readonly SetupStep[], {silent, signal}: SetUpOptions): Promise<void> {
  const watched = isWatched()
  const processOutput = new ProcessOutput(process.stderr, process.stderr)
  const list = new Listr(
    steps.map(({title, run}) => ({
      title,
      task: async (_context: unknown, task: {title: string | undefined; output: string}) => {
        signal.throwIfAborted()
        const note = await run((line) => {
          if (watched) task.output = line
        })
        task.title = `${title}: ${note}`
      },
    })),
    {
      renderer: silent ? 'silent' : 'default',
      fallbackRendererCondition: !silent && !watched,
      fallbackRenderer: 'simple',
      rendererOptions: {
        logger: new ListrLogger<ListrDefaultRendererLogLevels>({useIcons: true, processOutput}),
        showErrorMessage: false,
        collapseErrors: false,
      },
      fallbackRendererOptions: {logger: new ListrLogger<ListrLogLevels>({useIcons: true, processOutput})},
      registerSignalListeners: false,
    },
  )
  await list.run()
}

/** What was installed must also compute. */
async function checkedPaddle(venv: string, signal: AbortSignal) {
  const python = venvPython(venv)
  const {version, paddle} = await reportPython(python, requiredPackages(), signal)
  if ('error' in paddle) {
    throw new EnvironmentError(`Paddle is installed in ${venv} but does not work: ${paddle.error}.`, {
      next: 'Run `vilbert-ts doctor` for what it needs.',
    })
  }
  return {venv, python, pythonVersion: version, paddleVersion: paddle.version, device: paddle.device}
}

async function kernelsFor(python: string, options: SetUpOptions) {
  const build = buildKernels({python, signal: options.signal})
  const run = async () => {
    const {reason, changed} = await build
    return reason === null ? (changed ? 'built and tested' : 'up to date') : `none, because ${reason}`
  }
  await runSteps([{title: 'Kernels', run}], options)
  const {library, reason, changed} = await build
  return {library, reason, changed}
}
