import {existsSync} from 'node:fs'
import {join} from 'node:path'
import {Flags} from '@oclif/core'
import {BaseCommand} from '../src/base-command.js'
import {BridgeCancelledError} from '../src/bridge/errors.js'
import {configFlags, configSourceFlags} from '../src/config/flags.js'
import {dataFields} from '../src/config/data.js'
import {loadConfig} from '../src/config/load.js'
import {trainingFields} from '../src/config/training.js'
import {InterruptedError, VilbertError} from '../src/errors.js'
import {modelSource, requiredDataRoot} from '../src/model/from-config.js'
import type {TrainResult} from '../src/model/events.js'
import {resumedConfig, resumePoint} from '../src/run/resume.js'
import {prepareBar} from '../src/ui/prepare-bar.js'
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
    '<%= config.bin %> <%= command.id %> --data-root DIR --set model=bert_base_6layer_6conect --from-pretrained FILE.pdparams --output-dir DIR',
  ]

  static override flags = {
    ...configSourceFlags,
    ...configFlags(dataFields),
    ...configFlags(trainingFields),
    resume: Flags.string({
      helpValue: 'DIR|last|best',
      exclusive: ['config', 'set', 'overwrite'],
      description: 'Go on with the run in DIR, or with the last or best state of the run in --output-dir.',
    }),
    overwrite: Flags.boolean({description: 'Give up a run that is in the output folder already.'}),
  }

  async run(): Promise<TrainResult> {
    const {config: file, set, python, resume, overwrite, ...flags} = this.flags
    const point = resume === undefined ? undefined : resumePoint(resume, flags['output-dir'])
    const config = point === undefined ? loadConfig({file, set, flags}) : resumedConfig(point, flags)
    const {model, data, training, origin} = await config
    const preparing = prepareBar(this.progressBar.bind(this))
    const view = new TrainingView({
      progressBar: this.progressBar.bind(this),
      note: (line) => {
        this.note(line)
      },
    })
    await using vilbert = await Vilbert.open({python})
    const run = vilbert.train({
      model: modelSource(model, training.fromPretrained, data),
      data: {...data, dataRoot: requiredDataRoot(data), onPrepareProgress: preparing.update},
      training,
      resume: point?.state,
      overwrite,
      provenance: {command: ['vilbert-ts', 'train', ...this.argv], origin},
      onChanges: (changes) => {
        for (const change of changes) this.warn(`Not as when the run started: ${change}.`)
      },
      signal: this.interrupt,
    })
    try {
      for await (const event of run) {
        preparing.stop()
        view.show(event)
      }
    } catch (error) {
      throw this.interrupt.aborted ? stoppedRun(training.outputDir, error) : error
    } finally {
      preparing.stop()
      view.stop()
    }
    const result = await run.result()
    this.log(view.summary(result))
    return result
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
