import {currentVenv, findPython, namedPython, setupAdvice, venvProblem} from '../bridge/python-environment.js'
import {EnvironmentError} from '../errors.js'
import {findBasePython} from './base-python.mjs'
import {exportedCheck} from './exported-check.js'
import {kernelsCheck} from './kernels-check.js'
import {compilerChecks, diskCheck, threadsCheck} from './machine-checks.js'
import {dataCheck} from './data-check.js'
import {unsupportedNode} from './node-version.mjs'
import {reportPython, type PythonReport} from './python-report.js'
import {requiredPackages} from './requirements.js'

/** One point that was looked at. */
export type Check = {
  readonly name: string
  readonly ok: boolean
  /** Whether the program cannot work without it. */
  readonly required: boolean
  readonly value: string
  /** What to do about it; null when nothing has to be done. */
  readonly advice: string | null
}

/** What {@link diagnose} looks at besides this machine. */
export type DoctorOptions = {
  readonly python?: string | undefined
  readonly dataRoot?: string | undefined
  readonly signal?: AbortSignal | undefined
}

/** Every check with what was found, and what to do about what fails. */
export type Diagnosis = {
  /** Whether everything that is required is there. */
  readonly ok: boolean
  readonly checks: readonly Check[]
}

/** Looks at everything that the program needs and says for each failing point what to do. */
export async function diagnose(options: DoctorOptions = {}): Promise<Diagnosis> {
  const python = await pythonChecks(options)
  const checks = [
    nodeCheck(),
    ...python.checks,
    threadsCheck(),
    ...(await compilerChecks(python.report?.hasHeaders)),
    await diskCheck(options.dataRoot ?? process.cwd()),
    ...(options.dataRoot === undefined ? [] : [dataCheck(options.dataRoot)]),
  ]
  return {ok: checks.every(({ok, required}) => ok || !required), checks}
}

function nodeCheck(): Check {
  const problem = unsupportedNode()
  const advice = problem === undefined ? null : `${problem} Install a newer one.`
  return {name: 'node', ok: problem === undefined, required: true, value: process.versions.node, advice}
}

/** Python and what is in it; where there is none, the checks that need one are left out. */
async function pythonChecks(options: DoctorOptions): Promise<{checks: Check[]; report?: PythonReport}> {
  const found = await attempt(() => findPython({python: options.python}))
  if (typeof found !== 'string') return {checks: await missingPython(options, found)}
  const report = await attempt(() => reportPython(found, packageNames(), options.signal))
  if (report instanceof EnvironmentError) {
    return {checks: [failing('python', found, report.message)]}
  }
  const checks = [
    passing('python', `${report.version} (${report.executable})`),
    passing('environment', environmentName(options)),
    ...packageChecks(report),
    paddleCheck(report),
    ...(report.kernels === null ? [] : [kernelsCheck(report.kernels)]),
    ...(report.exported === null ? [] : [exportedCheck(report.exported)]),
    curvesCheck(report),
  ]
  return {checks, report}
}

/** There may be a Python that an environment can be made from; then only `setup` is missing. */
async function missingPython(options: DoctorOptions, problem: EnvironmentError): Promise<Check[]> {
  const next = problem.next ?? setupAdvice()
  if (namedPython(options) !== undefined) return [failing('python', problem.message, next)]
  const base = await findBasePython().catch((error: unknown) => String(error))
  const python =
    typeof base === 'string'
      ? failing('python', 'none that fits', base.replace(/^SetupFailure: /, ''))
      : passing('python', `${base.version} (${base.executable})`)
  return [python, failing('environment', venvProblem(currentVenv()) ?? problem.message, next)]
}

function environmentName(options: DoctorOptions): string {
  const named = namedPython(options)
  return named === undefined ? currentVenv().venvDir : `${named.path} (from ${named.by})`
}

/** The GPU build of Paddle goes by another name. */
const gpuPaddle = 'paddlepaddle-gpu'

/** Where one of these is installed, training also writes curves for it. */
const curvePackages: readonly string[] = ['visualdl', 'tensorboard']

function packageNames(): string[] {
  return [...requiredPackages(), gpuPaddle, ...curvePackages]
}

function curvesCheck({packages}: PythonReport): Check {
  const there = curvePackages.flatMap((name) => {
    const version = packages[name] ?? undefined
    return version === undefined ? [] : [`${name} ${version}`]
  })
  if (there.length > 0) return {...passing('curves', there.join(', ')), required: false}
  const advice =
    'To see curves of training runs, install visualdl or tensorboard into the Python environment.'
  return {name: 'curves', ok: false, required: false, value: 'neither visualdl nor tensorboard', advice}
}

function packageChecks({packages}: PythonReport): Check[] {
  return requiredPackages().map((name) => {
    const version = packages[name] ?? (name === 'paddlepaddle' ? packages[gpuPaddle] : undefined) ?? undefined
    const label = `package ${name}`
    return version === undefined ? failing(label, 'missing', setupAdvice()) : passing(label, version)
  })
}

function paddleCheck({paddle}: PythonReport): Check {
  if ('error' in paddle) {
    const advice = `Paddle does not work here. ${setupAdvice()} If that does not help, it needs an x86-64 or arm64 Linux with glibc, or macOS.`
    return failing('paddle', paddle.error, advice)
  }
  const gpus = paddle.gpus === 0 ? '' : `, ${paddle.gpus} GPU${paddle.gpus === 1 ? '' : 's'}`
  return passing('paddle', `${paddle.version} on ${paddle.device}${gpus}`)
}

function passing(name: string, value: string): Check {
  return {name, ok: true, required: true, value, advice: null}
}

function failing(name: string, value: string, advice: string): Check {
  return {name, ok: false, required: true, value, advice}
}

/** What is wrong with the environment is the answer here, not a failure. */
async function attempt<T>(work: () => Promise<T>): Promise<T | EnvironmentError> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof EnvironmentError) return error
    throw error
  }
}
