import {readdir, readFile, stat} from 'node:fs/promises'
import {join} from 'node:path'
import {z} from 'zod'
import {runProgress} from '../run/progress.js'
import {HttpProblem} from './problem.js'
import {RunLog} from './run-log.js'
import {runSchema, type RunMetrics, type RunSummary} from './schemas.js'

/** What of run.json is shown; a run of another version has none of it. */
const planSchema = z.object({
  createdAt: z.string(),
  training: z.object({epochs: z.int()}),
})
type Plan = z.infer<typeof planSchema>

/** The training runs in a folder. Only the name of one of its sub-folders leads to a file. */
export class RunCatalogue {
  readonly #folder: string
  readonly #logs = new Map<string, RunLog>()

  constructor(folder: string) {
    this.#folder = folder
  }

  /** All runs, the one that was started last first. */
  async list(): Promise<RunSummary[]> {
    const found = await Promise.all((await this.#ids()).map(async (id) => await this.#metrics(id)))
    const runs = found.flatMap((run) => (run === undefined ? [] : [runSchema.parse(run)]))
    return runs.sort((a, b) => (b.startedAt ?? '').localeCompare(a.startedAt ?? '') || compare(a.id, b.id))
  }

  /** @throws HttpProblem 404 */
  async metrics(id: string): Promise<RunMetrics> {
    const metrics = (await this.#ids()).includes(id) ? await this.#metrics(id) : undefined
    if (metrics === undefined) throw noRun()
    return metrics
  }

  /** The log of a run. @throws HttpProblem 404 */
  async logFile(id: string): Promise<string> {
    await this.metrics(id)
    return this.#logOf(id)
  }

  async #ids(): Promise<string[]> {
    const entries = await readdir(this.#folder, {withFileTypes: true}).catch(() => [])
    return entries.filter((entry) => entry.isDirectory()).map(({name}) => name)
  }

  async #metrics(id: string): Promise<RunMetrics | undefined> {
    const status = await stat(this.#logOf(id)).catch(() => undefined)
    if (status?.isFile() !== true) return undefined
    const log = this.#logs.get(id) ?? new RunLog(this.#logOf(id))
    this.#logs.set(id, log)
    await log.update()
    const plan = await this.#plan(id)
    const {curves, epochs, lastStep: steps, lastLoss, offset} = log
    const accuracies = curves.validations.map(({accuracy}) => accuracy)
    return {
      ...{id, steps, lastLoss, epochs, offset, ...curves},
      state: await runProgress(join(this.#folder, id)),
      startedAt: plan?.createdAt ?? null,
      plannedEpochs: plan?.training.epochs ?? null,
      bestAccuracy: accuracies.length === 0 ? null : Math.max(...accuracies),
    }
  }

  async #plan(id: string): Promise<Plan | undefined> {
    const text = await readFile(join(this.#folder, id, 'run.json'), 'utf8').catch(() => 'null')
    try {
      return planSchema.parse(JSON.parse(text))
    } catch {
      return undefined
    }
  }

  #logOf(id: string): string {
    return join(this.#folder, id, 'metrics.jsonl')
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : 1
}

function noRun(): HttpProblem {
  return new HttpProblem(404, 'E_NO_RUN', 'There is no such training run.', {
    next: 'GET /api/v1/runs lists those that there are.',
  })
}
