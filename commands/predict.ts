import {Errors, Flags} from '@oclif/core'
import {BaseCommand} from '../src/base-command.js'
import {configFlags, configSourceFlags} from '../src/config/flags.js'
import {dataFields} from '../src/config/data.js'
import {loadConfig} from '../src/config/load.js'
import {scoringFields} from '../src/config/precision.js'
import {modelSource} from '../src/model/from-config.js'
import {answerText, writeLine} from '../src/predict/answer-lines.js'
import {askInput, askPhrases, type DrawnPrediction} from '../src/predict/ask.js'
import {drawingFolder} from '../src/predict/draw-answer.js'
import type {LoadedModel} from '../src/predict/loaded-model.js'
import {exportBar} from '../src/ui/export-bar.js'
import {prepareBar} from '../src/ui/prepare-bar.js'
import {table} from '../src/ui/table.js'
import {Vilbert} from '../src/vilbert.js'

export default class Predict extends BaseCommand<typeof Predict> {
  static override summary = 'Say which box of an image a phrase means.'
  static override description =
    'Boxes and features come from the data set by image id or file name, or from --regions for a picture of your own: ' +
    'there is no detector here. With --input every line {"image", "phrase", "id"?} is answered by a line of JSON in the ' +
    'same order, with the same id; a line that cannot be answered gets {"line", "error"}, and the exit code is 4 then.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> --data-root DIR --from-pretrained best.pdparams --image 1042 --phrase "man in red"',
    '<%= config.bin %> <%= command.id %> --from-pretrained best.pdparams --image party.jpg --regions party.safetensors --phrase "man in red" --draw drawn',
    '<%= config.bin %> <%= command.id %> --data-root DIR --from-pretrained best.pdparams --input questions.jsonl > answers.jsonl',
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
    image: Flags.string({
      helpValue: 'ID|FILE',
      exclusive: ['input'],
      description: 'Image id or picture of the data set; with --regions any picture.',
    }),
    phrase: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      aliases: ['text'],
      helpValue: 'TEXT',
      dependsOn: ['image'],
      description: 'What to look for (can be given again).',
      parse: (phrase) => Promise.resolve(notEmpty(phrase)),
    }),
    input: Flags.string({
      helpValue: 'FILE|-',
      description: 'JSON Lines of what to ask, - for the standard input.',
    }),
    regions: Flags.string({
      helpValue: 'FILE|DIR',
      description:
        'Boxes and features of the picture: .safetensors or .npz with boxes [N, 4] and features [N, 2048], .json of those, ' +
        '.npy of such rows; for many pictures a folder of .safetensors or a .tsv.',
    }),
    images: Flags.string({
      helpValue: 'DIR',
      dependsOn: ['draw'],
      description:
        'Folder of the pictures to draw on; none: images/mscoco/images/train2014 in the data root.',
    }),
    draw: Flags.string({
      helpValue: 'DIR',
      description: 'Draw boxes, scores and phrase on the picture, one file an answer.',
    }),
    'top-k': Flags.integer({default: 5, min: 1, description: 'Boxes to show, best first.'}),
    'batch-size': Flags.integer({
      min: 1,
      max: 4096,
      aliases: ['batch'],
      dependsOn: ['input'],
      description: 'Lines at once, at most; none: 32.',
    }),
  }

  async run(): Promise<DrawnPrediction | DrawnPrediction[] | undefined> {
    const {image, phrase: phrases = [], input, draw, 'top-k': topK, 'batch-size': batchSize} = this.flags
    if (input === undefined && (image === undefined || phrases.length === 0)) throw nothingAsked()
    await using vilbert = await Vilbert.open({python: this.flags.python})
    const model = await this.#load(vilbert)
    const folder = draw === undefined ? undefined : await drawingFolder(draw)
    const options = {vilbert, model, folder, topK, batchSize, signal: this.interrupt}
    if (input !== undefined) {
      await this.#answerLines(input, options)
      return undefined
    }
    const predictions = await askPhrases({...options, image: image ?? '', phrases})
    for (const prediction of predictions) this.#show(prediction)
    const [only, ...more] = predictions
    return only !== undefined && more.length === 0 ? only : predictions
  }

  /** Answers in lines are all of the output: no document follows them, and a failure is one more line. */
  override logJson(json: unknown): void {
    // Not read when the command line itself is wrong.
    const isStream = (this.flags as typeof this.flags | undefined)?.input !== undefined
    if (!isStream) super.logJson(json)
    else if (json !== undefined) process.stdout.write(`${JSON.stringify(json)}\n`)
  }

  async #load(vilbert: Vilbert): Promise<LoadedModel> {
    const {
      config: file,
      set,
      regions,
      images,
      engine,
      precision,
      input,
      phrase: phrases = [],
      ...flags
    } = this.flags
    const {model, data} = await loadConfig({file, set, flags})
    const {dataRoot} = data
    const preparing = prepareBar(this.progressBar.bind(this))
    const exporting = exportBar(this.progressBar.bind(this), preparing)
    return await vilbert
      .load({
        model: modelSource(model, flags['from-pretrained'], data),
        data: dataRoot === null ? undefined : {...data, dataRoot, onPrepareProgress: preparing.update},
        regions,
        images,
        engine,
        precision,
        questions: input === undefined ? phrases.length : undefined,
        onExportProgress: exporting.update,
        signal: this.interrupt,
      })
      .finally(exporting.stop)
  }

  async #answerLines(input: string, options: Parameters<typeof askInput>[1]): Promise<void> {
    let [answered, failed] = [0, 0]
    for await (const answer of askInput(input, options)) {
      if (answer.error === undefined) answered += 1
      else failed += 1
      if (!(await writeLine(process.stdout, answerText(answer)))) return
    }
    if (failed === 0) return
    process.stderr.write(`${failed} of ${answered + failed} lines could not be answered.\n`)
    process.exitCode = 4
  }

  #show({image, phrase, regions, drawing}: DrawnPrediction): void {
    this.log(`Image ${image}, "${phrase}":`)
    const rows = regions.map(({index, box, score}) => [
      `${index}`,
      box.map((edge) => edge.toFixed(1)).join(' '),
      score.toFixed(3),
    ])
    this.log(table([['region', 'x1 y1 x2 y2', 'score'], ...rows]))
    if (drawing !== undefined) this.log(`Drawn in ${drawing}`)
  }
}

function notEmpty(phrase: string): string {
  if (phrase.trim() !== '') return phrase
  throw new Errors.CLIError('--phrase is empty.', {
    exit: 2,
    suggestions: ['Say in words which object is meant, e.g. --phrase "man in red".'],
  })
}

function nothingAsked(): Errors.CLIError {
  return new Errors.CLIError('Nothing is asked: --image and --phrase are needed, or --input.', {
    exit: 2,
    suggestions: ['For example: --image 1042 --phrase "man in red".'],
  })
}
