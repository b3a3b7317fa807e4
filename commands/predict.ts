import {Errors, Flags} from '@oclif/core'
import {BaseCommand} from '../src/base-command.js'
import {configFlags, configSourceFlags} from '../src/config/flags.js'
import {dataFields} from '../src/config/data.js'
import {loadConfig} from '../src/config/load.js'
import {scoringFields} from '../src/config/precision.js'
import {modelSource, requiredDataRoot} from '../src/model/from-config.js'
import {prepareBar} from '../src/ui/prepare-bar.js'
import {table} from '../src/ui/table.js'
import {Vilbert, type Prediction} from '../src/vilbert.js'

export default class Predict extends BaseCommand<typeof Predict> {
  static override summary = 'Say which box of an image a phrase means.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> --data-root DIR --from-pretrained best.pdparams --image 1042 --phrase "man in red"',
  ]

  static override flags = {
    ...configSourceFlags,
    ...configFlags(dataFields),
    ...configFlags(scoringFields),
    'from-pretrained': Flags.string({
      required: true,
      aliases: ['from', 'weights'],
      helpValue: 'FILE',
      description: 'Checkpoint to ask.',
    }),
    image: Flags.integer({required: true, min: 0, helpValue: 'ID', description: 'Image id of the data set.'}),
    phrase: Flags.string({
      required: true,
      multiple: true,
      multipleNonGreedy: true,
      aliases: ['text'],
      helpValue: 'TEXT',
      description: 'What to look for (can be given again).',
      parse: (phrase) => Promise.resolve(notEmpty(phrase)),
    }),
    'top-k': Flags.integer({default: 5, min: 1, description: 'Boxes to show, best first.'}),
  }

  async run(): Promise<Prediction | Prediction[]> {
    const {config: file, set, python, image, phrase: phrases, 'top-k': topK, precision, ...flags} = this.flags
    const {model, data} = await loadConfig({file, set, flags})
    const preparing = prepareBar(this.progressBar.bind(this))
    await using vilbert = await Vilbert.open({python})
    const predictions = await vilbert
      .predict({
        model: modelSource(model, flags['from-pretrained'], data),
        data: {...data, dataRoot: requiredDataRoot(data), onPrepareProgress: preparing.update},
        image,
        phrases,
        topK,
        precision,
        signal: this.interrupt,
      })
      .finally(preparing.stop)
    for (const prediction of predictions) this.#show(prediction)
    const [only, ...more] = predictions
    return only !== undefined && more.length === 0 ? only : predictions
  }

  #show({image, phrase, regions}: Prediction): void {
    this.log(`Image ${image}, "${phrase}":`)
    const rows = regions.map(({index, box, score}) => [
      `${index}`,
      box.map((edge) => edge.toFixed(1)).join(' '),
      score.toFixed(3),
    ])
    this.log(table([['region', 'x1 y1 x2 y2', 'score'], ...rows]))
  }
}

function notEmpty(phrase: string): string {
  if (phrase.trim() !== '') return phrase
  throw new Errors.CLIError('--phrase is empty.', {
    exit: 2,
    suggestions: ['Say in words which object is meant, e.g. --phrase "man in red".'],
  })
}
