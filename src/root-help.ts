import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {packageRoot} from './paths.js'

type Package = {
  readonly name: string
  readonly version: string
  readonly description: string
  readonly oclif: {
    readonly plugins?: readonly string[]
    readonly topics: Readonly<Record<string, {readonly description: string}>>
  }
}

type Command = {
  readonly id: string
  readonly summary?: string
  readonly description?: string
  readonly hidden?: boolean
}

type Row = readonly [name: string, text: string]

/** More lines than this for one row, and oclif sets the list in another way. */
const MAX_LINES = 5

/**
 * Shows the list of commands, word for word as oclif's own class for it does (a test compares them), but from files
 * alone: loading that class takes longer than all the rest.
 * @returns whether it could: only a build has written down the commands, and a very narrow terminal is left to oclif
 */
export function showRootHelp(): boolean {
  const text = rootHelp()
  if (text === undefined) return false
  process.stdout.on('error', ignoreClosedPipe)
  process.stdout.write(text)
  return true
}

/** A reader that went away (`vilbert-ts | head`) is no failure of ours. */
export function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error
}

function rootHelp(): string | undefined {
  const listed = readPackage()
  if (listed === undefined) return undefined
  const [{name, version, description, oclif}, commands] = listed
  const topics = Object.entries(oclif.topics)
    .filter(([topic]) => commands.some(({id}) => id.startsWith(`${topic}:`)))
    .sort(([one], [other]) => (one < other ? -1 : 1))
  const columns = columnCount()
  const lists = [
    list(
      topics.map(([topic, about]) => [topic, firstLine(about.description)]),
      columns,
    ),
    list(
      commands.filter(({id}) => !id.includes(':')).map((command) => [command.id, summaryOf(command)]),
      columns,
    ),
  ]
  if (lists.includes(undefined)) return undefined
  const [topicList = '', commandList = ''] = lists
  const sections = [
    description,
    section('VERSION', `${name}/${version} ${process.platform}-${process.arch} node-${process.version}`),
    section('USAGE', `$ ${name} [COMMAND]`),
    section('TOPICS', topicList),
    section('COMMANDS', commandList),
  ]
  return `${sections.join('\n\n')}\n\n`
}

function readPackage(): [Package, Command[]] | undefined {
  try {
    const own = readJson(join(packageRoot, 'package.json')) as Package
    const roots = [packageRoot, ...(own.oclif.plugins ?? []).map(pluginRoot)]
    return [own, roots.flatMap(commandsOf).sort((one, other) => (one.id < other.id ? -1 : 1))]
  } catch {
    return undefined
  }
}

/** The commands that the build of a package has written down, without those that only programs call. */
function commandsOf(root: string): Command[] {
  const {commands} = readJson(join(root, 'oclif.manifest.json')) as {commands: Record<string, Command>}
  return Object.values(commands).filter(({hidden}) => !hidden)
}

/** The folder of a plug-in; its main file lies one folder below. */
function pluginRoot(name: string): string {
  return fileURLToPath(new URL('..', import.meta.resolve(name)))
}

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(file, 'utf8'))
}

function summaryOf({summary, description = ''}: Command): string {
  return firstLine(summary ?? description)
}

function firstLine(text: string): string {
  return text.split('\n')[0] ?? ''
}

function section(header: string, body: string): string {
  const title = process.stdout.isTTY && process.stdout.hasColors() ? `\u001B[1m${header}\u001B[22m` : header
  return `${title}\n${body.replaceAll(/^/gm, '  ')}`
}

/** Names in one column, texts wrapped in another; undefined where that gets too narrow. */
function list(rows: readonly Row[], columns: number): string | undefined {
  const nameWidth = Math.max(...rows.map(([name]) => name.length)) + 2
  const entries: string[] = []
  for (const [name, text] of rows) {
    const lines = wrap(text, columns - nameWidth - 2)
    if (lines === undefined || lines.length > MAX_LINES) return undefined
    entries.push(`${name.padEnd(nameWidth)}${lines.join(`\n${' '.repeat(nameWidth)}`)}`)
  }
  return entries.join('\n')
}

/** Lines of at most so many columns; undefined where a word is longer. */
function wrap(text: string, columns: number): string[] | undefined {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (word.length > columns) return undefined
    const longer = line === '' ? word : `${line} ${word}`
    if (longer.length > columns) lines.push(line)
    line = longer.length > columns ? word : longer
  }
  return [...lines, line]
}

/** The columns that oclif takes its output to have. */
function columnCount(): number {
  const wished = Number.parseInt(process.env['OCLIF_COLUMNS'] ?? '', 10)
  if (wished > 0) return wished
  const {isTTY, columns} = process.stdout
  return isTTY && columns > 0 ? Math.max(columns, 40) : 80
}
