import {Args, Flags} from '@oclif/core'
import {BaseCommand} from '../../src/base-command.js'
import {findPython} from '../../src/bridge/python-environment.js'
import {sizeText} from '../../src/data/download/disk-space.js'
import {downloadSources} from '../../src/data/download/download.js'
import type {SourceResult} from '../../src/data/download/fetch-source.js'
import {readSourceFlags, sourceFlags} from '../../src/data/download/flags.js'
import {Meter} from '../../src/data/download/meter.js'
import {parseKinds} from '../../src/data/download/kinds.js'
import {planSources, type PlannedSource} from '../../src/data/download/plan.js'
import {selectSources, sourceKinds} from '../../src/data/download/sources.js'
import {Transports} from '../../src/data/download/transports.js'
import {NetworkError} from '../../src/errors.js'
import {table} from '../../src/ui/table.js'

/** What `data download` did, or with `--dry-run` would do. */
export type DataDownloadResult = {
  readonly dataRoot: string
  readonly isDryRun: boolean
  readonly sources: readonly (SourceResult | PlannedSource)[]
}

export default class DataDownload extends BaseCommand<typeof DataDownload> {
  static override summary = 'Download data sets, features and weights.'
  static override description =
    'Fetches what the data sets need from the first address that works, continues what an earlier run left, checks ' +
    'size and hash, unpacks archives and puts the files below the data root. A file is under its final name only ' +
    'when it is whole. Where no hash is known, that of the first download is kept and required from then on. ' +
    'Pictures are fetched only when --only names them.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> refcoco+',
    '<%= config.bin %> <%= command.id %> refcoco refcocog --only annotations',
    '<%= config.bin %> <%= command.id %> refcoco+ --from ~/Downloads',
    '<%= config.bin %> <%= command.id %> refcoco+ --mirror https://mirror.example.org/vilbert --dry-run',
  ]

  static override args = {
    datasets: Args.string({
      multiple: true,
      required: true,
      description: 'Data sets to fetch; data list names them.',
    }),
  }

  static override flags = {
    only: Flags.string({
      helpValue: 'KINDS',
      default: 'annotations,features,weights',
      description: `What to fetch, parted by commas: ${sourceKinds.join(', ')}.`,
    }),
    from: Flags.string({
      helpValue: 'DIR|URL',
      exclusive: ['mirror'],
      description: 'Take everything from this folder or address, and ask nobody else.',
    }),
    mirror: Flags.string({
      helpValue: 'URL',
      description: 'Try this address (https, http, s3, file) before those of the registry.',
    }),
    jobs: Flags.integer({char: 'j', default: 3, min: 1, max: 16, description: 'Files to fetch at once.'}),
    timeout: Flags.integer({
      helpValue: 'SECONDS',
      default: 20,
      min: 1,
      description: 'How long a server may be silent.',
    }),
    'dry-run': Flags.boolean({description: 'Show what would be fetched, and ask no server.'}),
    'allow-private': Flags.boolean({description: 'Follow redirects to addresses of private networks.'}),
    ...sourceFlags,
  }

  async run(): Promise<DataDownloadResult> {
    const {'dry-run': isDryRun, from, mirror, only} = this.flags
    const {dataRoot, sources: known} = await readSourceFlags(this.flags)
    const sources = selectSources(known, this.args.datasets, parseKinds(only))
    if (isDryRun) return this.#showPlan(dataRoot, await planSources(sources, {dataRoot, from, mirror}))
    const meter = new Meter()
    const bar = this.progressBar({label: 'Downloading', unit: 'bytes'})
    await using transports = new Transports({findPython: () => findPython({python: this.flags.python})})
    try {
      const results = await downloadSources({
        ...{dataRoot, sources, from, mirror, jobs: this.flags.jobs},
        allowPrivate: this.flags['allow-private'],
        timeoutMs: this.flags.timeout * 1000,
        signal: this.interrupt,
        transportFor: transports.for,
        onNote: (line) => {
          bar.stop()
          this.note(line)
        },
        onBytes: (id, doneBytes, totalBytes) => {
          meter.update(id, doneBytes, totalBytes)
          bar.update(meter.doneBytes, meter.totalBytes, `${sizeText(meter.bytesPerSecond)}/s`)
        },
      })
      bar.stop()
      return this.#showResults(dataRoot, results)
    } finally {
      bar.stop()
    }
  }

  #showPlan(dataRoot: string, plan: readonly PlannedSource[]): DataDownloadResult {
    const rows = plan.map(({id, status, sizeBytes, urls}) => [
      id,
      status,
      sizeBytes === null ? '?' : sizeText(sizeBytes),
      urls[0] ?? '',
    ])
    this.log(table([['id', 'what', 'size', 'from'], ...rows]))
    return {dataRoot, isDryRun: true, sources: plan}
  }

  #showResults(dataRoot: string, results: readonly SourceResult[]): DataDownloadResult {
    const missing = results.filter(({status}) => status === 'unavailable').map(({id}) => id)
    const next = 'Pass --from with a folder or address that has them.'
    if (missing.length > 0 && missing.length === results.length) {
      throw new NetworkError(`Nobody publishes ${missing.join(', ')}.`, {code: 'E_DL_NO_SOURCE', next})
    }
    for (const {status, files} of results) {
      if (status !== 'unavailable') for (const file of files) this.log(`${status}\t${file}`)
    }
    if (missing.length > 0) this.note(`Nobody publishes ${missing.join(', ')}. ${next}`)
    return {dataRoot, isDryRun: false, sources: results}
  }
}
