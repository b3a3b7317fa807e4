import {existsSync} from 'node:fs'
import {join} from 'node:path'
import {Flags} from '@oclif/core'
import {BaseCommand} from '../src/base-command.js'
import {BridgeCancelledError} from '../src/bridge/errors.js'
import {configFlags, configSourceFlags} from '../src/config/flags.js'
import {dataFields} from '../src/config/data.js'
import {loadConfig, type LoadedConfig} from '../src/config/load.js'
import {trainingFields} from '../src/config/training.js'
import {ConfigError, InterruptedError, VilbertError} from '../src/errors.js'
import {writeFileAtomic} from '../src/files.js'
import type {TrainResult} from '../src/model/events.js'
import {trainingSource, type TrainingSource} from '../src/model/from-config.js'
import {nodesOf, type Nodes} from '../src/model/nodes.js'
import type {Run} from '../src/model/run.js'
import type {LearningRates, TrainingPlan, TrialEvent} from '../src/model/trials.js'
import {nodeFlags} from '../src/node-flags.js'
import {resumedConfig, resumePoint} from '../src/run/resume.js'
import {followRun} from '../src/ui/follow-run.js'
import {nodeLine, nodeResult, nodeSummary, NodeView, type NodeResult} from '../src/ui/node-view.js'
import {planText} from '../src/ui/plan-text.js'
import {prepareBar} from '../src/ui/prepare-bar.js'
import {ratesChart} from '../src/ui/rates-chart.js'
import {ratesText} from '../src/ui/rates-text.js'
import {TrainingView} from '../src/ui/training-view.js'
import {Vilbert} from '../src/vilbert.js'

export default class Train extends BaseCommand<typeof Train> {
  static override summary = 'Train a model on referring expressions.'
  static override description =
    'Validates after each epoch. Writes metrics.jsonl, the last and the best checkpoint into the output folder. ' +
    'Ctrl-C ends after the step that is under way, with the last checkpoint saved.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> --data-root data/synth --config model.json --output-dir checkpoints/first --epochs 10 --batch-size 32 --lr 1e-3',
    '<%= config.bin %> <%= command.id %> --resume checkpoints/first',
    '<%= config.bin %> <%= command.id %> --data-root data/synth --config model.json --dry-run',
    '<%= config.bin %> <%= command.id %> --data-root data/synth --config model.json --lr-find --svg rates.svg',
    '<%= config.bin %> <%= command.id %> --data-root DIR --config model.json --output-dir DIR --nnodes 2 --node-rank 0 --master 10.0.0.1:29500',
    '<%= config.bin %> <%= command.id %> --data-root DIR --set model=bert_base_6layer_6conect --from-pretrained FILE.pdparams --output-dir DIR',
  ]

  static override flags = {
    ...configSourceFlags,
    ...configFlags(dataFields),
    ...configFlags(trainingFields),
    ...nodeFlags,
    resume: Flags.string({
      helpValue: 'DIR|last|best',
      exclusive: ['config', 'set', 'overwrite'],
      description: 'Go on with the run in DIR, or with the last or best state of the run in --output-dir.',
    }),
    overwrite: Flags.boolean({description: 'Give up a run that is in the output folder already.'}),
    'dry-run': Flags.boolean({
      exclusive: ['resume', 'lr-find'],
      description:
        'Take six steps, say what the run would take (steps, time, memory, disk), and write nothing.',
    }),
    'lr-find': Flags.boolean({
      exclusive: ['resume'],
      description:
        'Train for a moment while the rate rises, and suggest a --lr; nothing of the run is written.',
    }),
    'lr-find-steps': Flags.integer({
      min: 10,
      dependsOn: ['lr-find'],
      description: 'Steps of --lr-find. [default: 100]',
    }),
    svg: Flags.string({
      helpValue: 'FILE',
      dependsOn: ['lr-find'],
      description: 'Draw the losses of --lr-find.',
    }),
  }

  async run(): Promise<TrainResult | NodeResult | TrainingPlan | LearningRates> {
    const nodes = nodesOf(this.flags)
    const trial = (['dry-run', 'lr-find'] as const).find((name) => this.flags[name])
    if (trial === undefined) return this.#train(nodes)
    if (nodes !== undefined)
      throw new ConfigError(`--${trial} does not try several nodes.`, {next: 'Leave --nnodes out.'})
    return trial === 'dry-run' ? this.#plan() : this.#findRate()
  }

  async #train(nodes: Nodes | undefined): Promise<TrainResult | NodeResult> {
    const {config: file, set, python, resume, overwrite, ...flags} = this.flags
    const point = resume === undefined ? undefined : resumePoint(resume, flags['output-dir'])
    const config = await (point === undefined
      ? loadConfig({file, set, flags})
      : resumedConfig(point, flags, nodes))
    const {training, origin} = config
    if (nodes !== undefined) this.note(nodeLine(nodes))
    const isOtherNode = nodes !== undefined && nodes.rank > 0
    const preparing = prepareBar(this.progressBar.bind(this))
    const view = new TrainingView({
      progressBar: this.progressBar.bind(this),
      note: (line) => {
        this.note(line)
      },
    })
    const shown = isOtherNode ? new NodeView(!this.jsonEnabled()) : view
    await using vilbert = await Vilbert.open({python})
    const run = vilbert.train({
      ...trainingSource(config, preparing.update),
      resume: point?.state,
      overwrite,
      nodes,
      provenance: {command: ['vilbert-ts', 'train', ...this.argv], origin},
      onChanges: (changes) => {
        for (const change of changes) this.warn(`Not as when the run started: ${change}.`)
      },
      signal: this.interrupt,
    })
    try {
      for await (const event of run) {
        preparing.stop()
        shown.show(event)
      }
    } catch (error) {
      const isStopped = this.interrupt.aborted || error instanceof BridgeCancelledError
      throw isStopped ? stoppedRun(training.outputDir, error) : error
    } finally {
      preparing.stop()
      shown.stop()
    }
    const result = await run.result()
    if (isOtherNode) {
      const part = nodeResult(nodes, result)
      this.log(nodeSummary(part))
      return part
    }
    this.log(view.summary(result))
    return result
  }

  async #plan(): Promise<TrainingPlan> {
    const {config: file, set, python, ...flags} = this.flags
    const config = await loadConfig({file, set, flags})
    await using vilbert = await Vilbert.open({python})
    const plan = await this.#trial((source) => vilbert.planTraining(source), config)
    this.log(planText(plan, config.training))
    return plan
  }

  async #findRate(): Promise<LearningRates> {
    const {config: file, set, python, svg, 'lr-find-steps': steps, ...flags} = this.flags
    const config = await loadConfig({file, set, flags})
    await using vilbert = await Vilbert.open({python})
    const rates = await this.#trial((source) => vilbert.findLearningRate({...source, range: {steps}}), config)
    this.log(ratesText(rates))
    if (svg !== undefined) await writeFileAtomic(svg, ratesChart(rates))
    return rates
  }

  /** Goes through a few steps of a run with a bar. */
  async #trial<R>(
    start: (source: TrainingSource & {readonly signal: AbortSignal}) => Run<TrialEvent, R>,
    config: LoadedConfig,
  ): Promise<R> {
    const preparing = prepareBar(this.progressBar.bind(this))
    const bar = this.progressBar({label: 'Trying', unit: 'steps'})
    const run = start({...trainingSource(config, preparing.update), signal: this.interrupt})
    return followRun(run, preparing, bar)
  }
}

/** What a user who stopped a run wants to know: that nothing is lost, and how to go on. */
function stoppedRun(outputDir: string | null, error: unknown): unknown {
  const cause = error instanceof BridgeCancelledError ? error.cause : undefined
  // A state that could not be saved is worse news than the interruption, which may be the cause as well.
  if (cause instanceof VilbertError && !(cause instanceof InterruptedError)) return cause
  if (outputDir === null || !existsSync(join(outputDir, 'states'))) return error
  return new InterruptedError(`Stopped in order; the state of the last step is saved in ${outputDir}.`, {
    next: `Go on with \`vilbert-ts train --resume ${outputDir}\`.`,
    cause: error,
  })
}
