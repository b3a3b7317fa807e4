import {Flags} from '@oclif/core'
import {BaseCommand} from '../src/base-command.js'
import {demo, type DemoEvent, type DemoResult} from '../src/demo.js'
import {Run} from '../src/model/run.js'
import {duration} from '../src/ui/progress.js'
import {TrainingView} from '../src/ui/training-view.js'
import {Vilbert} from '../src/vilbert.js'

export default class Demo extends BaseCommand<typeof Demo> {
  static override summary = 'Make a small world, train a model on it, measure it and draw what it sees.'
  static override description =
    'Runs the whole way in about two minutes on two cores, without any download. Fails with exit code 8 when the ' +
    'model does not learn to read.'

  static override examples = ['<%= config.bin %> <%= command.id %>']

  static override flags = {
    'data-root': Flags.string({
      default: 'data/demo',
      helpValue: 'DIR',
      description: 'Folder for the pictures.',
    }),
    'output-dir': Flags.string({
      default: 'checkpoints/demo',
      helpValue: 'DIR',
      description: 'Folder for checkpoints and drawings.',
    }),
    images: Flags.integer({default: 400, min: 50, description: 'Pictures to make.'}),
    epochs: Flags.integer({default: 8, min: 3, description: 'Times the training split is gone through.'}),
    seed: Flags.integer({default: 1, min: 0, description: 'Seed of everything that is random.'}),
  }

  async run(): Promise<DemoResult> {
    const {python, images, epochs, seed, 'data-root': dataRoot, 'output-dir': outputDir} = this.flags
    await using vilbert = await Vilbert.open({python})
    const run = new Run(demo(vilbert, {dataRoot, outputDir, images, epochs, seed, signal: this.interrupt}))
    const show = this.#screen()
    try {
      for await (const event of run) show.event(event)
    } finally {
      show.stop()
    }
    return this.#show(await run.result())
  }

  /** Bars and lines for what happens, on stderr. */
  #screen(): {readonly event: (event: DemoEvent) => void; readonly stop: () => void} {
    const progressBar = this.progressBar.bind(this)
    const note = (line: string): void => {
      this.note(line)
    }
    const view = new TrainingView({progressBar, note})
    const pictures = progressBar({label: 'Making pictures', unit: 'pictures'})
    return {
      event(event) {
        if (event.type === 'pictures') pictures.update(event.done, event.total)
        else pictures.stop()
        if (event.type === 'stage') note(event.stage)
        else if (event.type !== 'pictures') view.show(event)
      },
      stop() {
        pictures.stop()
        view.stop()
      },
    }
  }

  #show(result: DemoResult): DemoResult {
    const {accuracy, shuffledAccuracy, predictions, secondsTotal, outputDir, dataRoot} = result
    this.log(
      `Accuracy on val ${percent(accuracy)}; with phrases of other images ${percent(shuffledAccuracy)}.`,
    )
    for (const {phrase, regions, picture} of predictions)
      this.log(
        `"${phrase}" → region ${regions[0]?.index ?? '–'}, score ${regions[0]?.score.toFixed(2) ?? '–'}: ${picture}`,
      )
    this.log(`Done in ${duration(1000 * secondsTotal)}. Ask it yourself, for example:`)
    const image = predictions[0]?.image ?? 0
    this.log(
      `  npx vilbert-ts predict --data-root ${dataRoot} --from-pretrained ${outputDir}/best.pdparams --image ${image} --phrase "red circle"`,
    )
    return result
  }
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`
}
