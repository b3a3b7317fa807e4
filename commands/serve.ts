import {once} from 'node:events'
import {Flags} from '@oclif/core'
import {BaseCommand} from '../src/base-command.js'
import {configFlags, configSourceFlags} from '../src/config/flags.js'
import {dataFields} from '../src/config/data.js'
import {loadConfig} from '../src/config/load.js'
import {scoringFields} from '../src/config/precision.js'
import {modelSource, requiredDataRoot} from '../src/model/from-config.js'
import {serve, type RunningServer} from '../src/serve/serve.js'
import {errorText} from '../src/ui/error-report.js'
import {exportBar} from '../src/ui/export-bar.js'
import {prepareBar} from '../src/ui/prepare-bar.js'

export default class Serve extends BaseCommand<typeof Serve> {
  static override summary = 'Ask a model and watch trainings in the browser.'
  static override description =
    'Serves one page and the API behind it (/api/v1/openapi.json) until Ctrl-C. Without --from-pretrained there are only the training runs to look at.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> --data-root data/demo --from-pretrained checkpoints/demo/best.pdparams',
    '<%= config.bin %> <%= command.id %> --runs checkpoints',
  ]

  static override flags = {
    ...configSourceFlags,
    ...configFlags(dataFields),
    ...configFlags(scoringFields.pick({engine: true})),
    'from-pretrained': Flags.string({
      aliases: ['from', 'weights'],
      helpValue: 'FILE',
      description: 'Checkpoint to ask.',
    }),
    images: Flags.string({
      helpValue: 'DIR',
      description: 'Folder of the image files; none: images/mscoco/images/train2014 in the data root.',
    }),
    runs: Flags.string({default: 'checkpoints', helpValue: 'DIR', description: 'Folder of training runs.'}),
    host: Flags.string({
      default: '127.0.0.1',
      helpValue: 'ADDRESS',
      description: 'Address to listen on; any but the default needs --token.',
    }),
    port: Flags.integer({default: 7860, min: 0, max: 65_535, description: 'Port; 0 takes a free one.'}),
    token: Flags.string({
      env: 'VILBERT_TS_TOKEN',
      helpValue: 'TEXT',
      description: 'Wanted from everybody who asks; best given in the environment as VILBERT_TS_TOKEN.',
    }),
    'allow-host': Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      helpValue: 'NAME',
      description: 'Further name that the server may be asked under (can be given again).',
    }),
    queue: Flags.integer({
      default: 256,
      min: 1,
      max: 10_000,
      description: 'Requests that may wait for the model; more get 503.',
    }),
    rate: Flags.integer({
      default: 1000,
      min: 1,
      description: 'Requests a second that a client may make in the long run; more get 429.',
    }),
  }

  async run(): Promise<{readonly url: string}> {
    const {engine, python, verbose} = this.flags
    const preparing = prepareBar(this.progressBar.bind(this))
    const exporting = exportBar(this.progressBar.bind(this), preparing)
    const server = await serve({
      ...(await this.#asked(preparing.update)),
      engine,
      onExportProgress: exporting.update,
      python,
      signal: this.interrupt,
      onProblem: (error) => {
        this.note(errorText(error, {verbose}))
      },
    }).finally(exporting.stop)
    try {
      await this.#untilInterrupted(server)
    } finally {
      await server.close()
    }
    return {url: server.url}
  }

  async #asked(onPrepareProgress: ReturnType<typeof prepareBar>['update']) {
    const {config: file, set, 'from-pretrained': weights, 'allow-host': allowHosts, ...flags} = this.flags
    const {images, runs, host, port, token, queue, rate: ratePerSecond} = flags
    const common = {images, runs, host, port, token, allowHosts, queue, ratePerSecond}
    if (weights === undefined) return common
    const {model, data} = await loadConfig({file, set, flags})
    return {
      ...common,
      model: modelSource(model, weights, data),
      data: {...data, dataRoot: requiredDataRoot(data), onPrepareProgress},
    }
  }

  /** The address is what one waits for, so it is said at once, in `--json` on stderr. */
  async #untilInterrupted(server: RunningServer): Promise<void> {
    if (this.jsonEnabled()) process.stderr.write(`${server.url}\n`)
    else this.log(`Serving on ${server.url} (Ctrl-C ends it)`)
    if (!this.interrupt.aborted) await once(this.interrupt, 'abort')
  }
}
