import {readFile, stat} from 'node:fs/promises'
import {extname} from 'node:path'
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseAllDocuments,
  type ParsedNode,
  type YAMLError,
} from 'yaml'
import {printable} from '../errors.js'
import type {Problem} from './problems.js'

/** A place in a file, 1-based. */
export type Position = {readonly line: number; readonly column: number}

/** What a YAML or JSON file holds: plain values, and where each key stands (`''` is the file as a whole). */
export type Source = {
  readonly value: unknown
  readonly positions: ReadonlyMap<string, Position>
  readonly problems: readonly Problem[]
}

/** Configurations are small; more is a mistake or an attack. */
const MAX_FILE_BYTES = 256 * 1024
const MAX_DEPTH = 32

/**
 * Reads a YAML 1.2 or (by its ending) JSON file as inert data: no tags, no aliases, one document, UTF-8, bounded in
 * size and depth. Never throws for what is in the file; its problems are returned.
 */
export async function readSource(file: string): Promise<Source> {
  const bytes = await readBounded(file)
  if (!(bytes instanceof Uint8Array)) return failed(file, bytes.code, bytes.message)
  const isJson = extname(file).toLowerCase() === '.json'
  const text = decode(bytes)
  if (text === undefined) {
    return failed(
      file,
      isJson ? 'E_CFG_JSON' : 'E_CFG_YAML',
      'The file is not text in UTF-8; save it as UTF-8.',
    )
  }
  return parseSource(text, {file, isJson})
}

/** Reads the text of a value given on the command line (`--set a.b=VALUE`) like one in a YAML file. */
export function parseValue(text: string): Source {
  return parseSource(text, {file: undefined, isJson: false})
}

type Origin = {readonly file: string | undefined; readonly isJson: boolean}

/** YAML 1.2 contains JSON, so one parser with positions serves both; what only JSON forbids is checked first. */
function parseSource(text: string, {file, isJson}: Origin): Source {
  const lines = new LineCounter()
  const documents = parseAllDocuments(text, {
    version: '1.2',
    schema: 'core',
    merge: false,
    uniqueKeys: true,
    prettyErrors: false,
    logLevel: 'silent',
    lineCounter: lines,
  })
  const reader = new NodeReader(file, lines)
  if (isJson) reader.checkJson(text)
  const [document, second] = 'empty' in documents ? [] : documents
  for (const error of document?.errors ?? []) reader.reportSyntax(error, isJson)
  if (second !== undefined)
    reader.report(second.range[0], '', 'E_CFG_YAML', 'The file may hold one document only.')
  if (document?.directives.yaml.explicit === true) {
    reader.report(0, '', 'E_CFG_YAML', 'The file may not have a %YAML directive.')
  }
  const value = reader.problems.length === 0 ? reader.read(document?.contents ?? null, '', 0) : undefined
  return {value, positions: reader.positions, problems: reader.problems}
}

/** Turns YAML nodes into plain values and notes where each key stands. */
class NodeReader {
  readonly positions = new Map<string, Position>()
  readonly problems: Problem[] = []
  readonly #file: string | undefined
  readonly #lines: LineCounter

  constructor(file: string | undefined, lines: LineCounter) {
    this.#file = file
    this.#lines = lines
    this.positions.set('', {line: 1, column: 1})
  }

  report(offset: number, path: string, code: string, message: string): void {
    const file = this.#file === undefined ? {} : {file: this.#file}
    this.problems.push({path, ...this.#position(offset), code, message, ...file})
  }

  /** Node's own JSON parser is the judge of what JSON is: comments, NaN and trailing commas are YAML only. */
  checkJson(text: string): void {
    try {
      JSON.parse(text)
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      const offset = Number(/at position (\d+)/.exec(message)?.[1] ?? text.trimEnd().length)
      const reason = printable(message.replace(/ (in JSON )?at position .*$/, ''), 120)
      this.report(offset, '', 'E_CFG_JSON', `The file is not valid JSON: ${reason}.`)
    }
  }

  /** One sentence for each mistake of syntax; with JSON the JSON parser has already said it, duplicates apart. */
  reportSyntax(error: YAMLError, isJson: boolean): void {
    if (error.code === 'DUPLICATE_KEY') {
      this.report(error.pos[0], '', 'E_CFG_KEY', 'The same key is given twice.')
    } else if (error.code === 'RESOURCE_EXHAUSTION') {
      this.report(0, '', 'E_LIMIT', `The file is nested deeper than ${MAX_DEPTH} levels.`)
    } else if (!isJson || this.problems.length === 0) {
      const code = isJson ? 'E_CFG_JSON' : 'E_CFG_YAML'
      this.report(error.pos[0], '', code, `The file is not valid: ${printable(error.message, 160)}.`)
    }
  }

  read(node: ParsedNode | null, path: string, depth: number): unknown {
    if (node === null) return null
    if (depth > MAX_DEPTH) {
      this.#reportOnce(node.range[0], path, `The file is nested deeper than ${MAX_DEPTH} levels.`, 'E_LIMIT')
      return null
    }
    if (isAlias(node)) {
      this.#reportOnce(node.range[0], path, 'Anchors and aliases (& and *) are not allowed.')
      return null
    }
    if (node.tag !== undefined) {
      const tag = node.tag.replace('tag:yaml.org,2002:', '!!')
      this.#reportOnce(node.range[0], path, `Tags such as ${printable(tag)} are not allowed.`)
      return null
    }
    if (isSeq(node)) return node.items.map((item, index) => this.#item(item, `${path}.${index}`, depth))
    if (isMap(node)) return this.#map(node.items, path, depth)
    return node.value
  }

  /** What a file does once it usually does everywhere; one line is enough. */
  #reportOnce(offset: number, path: string, message: string, code = 'E_CFG_YAML'): void {
    if (this.problems.every((problem) => problem.message !== message)) {
      this.report(offset, path, code, message)
    }
  }

  #item(node: ParsedNode, path: string, depth: number): unknown {
    this.positions.set(path, this.#position(node.range[0]))
    return this.read(node, path, depth + 1)
  }

  #map(items: readonly {key: ParsedNode; value: ParsedNode | null}[], path: string, depth: number): unknown {
    const entries: Record<string, unknown> = {}
    for (const {key, value} of items) {
      if (!isScalar(key) || key.tag !== undefined) {
        this.report(key.range[0], path, 'E_CFG_YAML', 'A key must be plain text.')
        continue
      }
      const name = String(key.value)
      const place = path === '' ? name : `${path}.${name}`
      this.positions.set(place, this.#position(key.range[0]))
      if (name === '__proto__') {
        this.report(key.range[0], place, 'E_CFG_KEY', `${place} is not a known key.`)
      } else entries[name] = this.read(value, place, depth + 1)
    }
    return entries
  }

  #position(offset: number): Position {
    const {line, col} = this.#lines.linePos(offset)
    return {line: Math.max(1, line), column: Math.max(1, col)}
  }
}

/** Looks at the size before reading, so that a wrong path to a feature file does not fill the memory. */
async function readBounded(file: string): Promise<Uint8Array | {code: string; message: string}> {
  try {
    const {size} = await stat(file)
    if (size <= MAX_FILE_BYTES) return await readFile(file)
    return {
      code: 'E_LIMIT',
      message: `The file is larger than ${MAX_FILE_BYTES / 1024} KiB, so it is no configuration.`,
    }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    const reason = readFailures[code] ?? `The file cannot be read (${code})`
    return {code: 'E_CFG_FILE', message: `${reason}.`}
  }
}

const readFailures: Readonly<Record<string, string>> = {
  ENOENT: 'The file does not exist',
  ENOTDIR: 'The file does not exist',
  EISDIR: 'It is a folder, not a file',
  EACCES: 'Reading the file is not permitted',
}

/** UTF-8 with or without its byte order mark; anything else, and text with NUL in it, is refused. */
function decode(bytes: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder('utf-8', {fatal: true}).decode(bytes)
    return text.includes('\0') ? undefined : text
  } catch {
    return undefined
  }
}

/** A file that could not be read at all. */
function failed(file: string, code: string, message: string): Source {
  return {
    value: undefined,
    positions: new Map(),
    problems: [{path: '', line: null, column: null, code, message, file}],
  }
}
