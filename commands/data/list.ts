import {Args} from '@oclif/core'
import {BaseCommand} from '../../src/base-command.js'
import {sizeText} from '../../src/data/download/disk-space.js'
import {readSourceFlags, sourceFlags} from '../../src/data/download/flags.js'
import {listSources, type ListedSource} from '../../src/data/download/list.js'
import {selectSources} from '../../src/data/download/sources.js'
import {table} from '../../src/ui/table.js'

export default class DataList extends BaseCommand<typeof DataList> {
  static override summary = 'List what can be downloaded, and what is there.'
  static override description =
    'Shows every file of the registry: where it is from, size, hash, licence, what it is for, and whether it is ' +
    'below the data root. Asks no server.'

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> refcoco+ --data-root data --json',
  ]

  static override args = {
    datasets: Args.string({multiple: true, description: 'Data sets to list; all when none is named.'}),
  }

  static override flags = sourceFlags

  async run(): Promise<Awaited<ReturnType<typeof listSources>>> {
    const {dataRoot, sources} = await readSourceFlags(this.flags)
    const datasets = this.args.datasets ?? []
    const selected = datasets.length === 0 ? sources : selectSources(sources, datasets)
    const listing = await listSources(dataRoot, selected)
    this.log(table([['there', 'size', 'kind', 'id'], ...listing.sources.map(rowOf)]))
    for (const source of listing.sources) this.log(`\n${detailsOf(source)}`)
    return listing
  }
}

function rowOf({id, kind, isPresent, ...size}: ListedSource): readonly string[] {
  return [isPresent ? 'yes' : 'no', sizeOf(size), kind, id]
}

function sizeOf({sizeBytes, isSizeExact}: Pick<ListedSource, 'sizeBytes' | 'isSizeExact'>): string {
  if (sizeBytes === null) return '?'
  return `${isSizeExact ? '' : '~'}${sizeText(sizeBytes)}`
}

function detailsOf(source: ListedSource): string {
  const {id, datasets, purpose, licence, home, note, urls, sha256, isPinned, files} = source
  const hash = sha256 === null ? 'not known: learned with the first download' : sha256
  const lines = [
    ['for', datasets.join(', ')],
    ['licence', licence],
    ...(home === null ? [] : [['about', home]]),
    ...(urls.length === 0 ? [['from', 'nowhere']] : urls.map((url) => ['from', url])),
    ['sha256', `${hash}${isPinned ? ' (learned)' : ''}`],
    ...files.map((file) => ['gives', file]),
    ...(note === null ? [] : [['note', note]]),
  ]
  return [`${id}: ${purpose}`, ...lines.map(([label = '', text = '']) => `  ${label.padEnd(8)}${text}`)].join(
    '\n',
  )
}
