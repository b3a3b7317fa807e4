import type {z} from 'zod'

import {valueAtPath} from '../config/problems.js'
import {printable} from '../errors.js'
import type {FormatError} from '../errors.js'
import {broken, FileSource} from '../formats/byte-source.js'
import type {ByteSource} from '../formats/byte-source.js'
import {tensorBytes} from '../formats/dtypes.js'
import {parseJson} from '../formats/json.js'
import type {JsonValue} from '../formats/json.js'
import {checkTensorName} from '../formats/tensor-name.js'
import {draftSchema, metadataForm, metadataSchema} from './metadata.js'
import type {DraftMetadata, Metadata, TensorRecord} from './metadata.js'

/** A description of any form that is read. */
export type AnyMetadata = Metadata | DraftMetadata

const largestFileBytes = 256 << 20
const deepest = 24

/** Whether a parsed JSON file says of itself that it describes a checkpoint. */
export function isMetadata(value: JsonValue): boolean {
  if (!(value instanceof Map)) return false
  const form = value.get('schema') ?? value.get('format')
  return typeof form === 'string' && /^vilbert-ts[./]checkpoint[@/]/.test(form)
}

/**
 * Reads the description of a checkpoint, strictly; its payload is not opened.
 * @throws FormatError E_JSON, E_JSON_DUP, E_LIMIT, E_META_VERSION, E_META_KEY, E_META_TYPE, E_META_NUMBER,
 * E_META_PATH, E_META_SHA, E_META_DTYPE, E_META_SHAPE, E_META_OFFSET, E_META_DUP
 */
export function readMetadata(source: ByteSource): AnyMetadata {
  const top = readMetadataJson(source)
  if (!(top instanceof Map))
    throw broken(source, 'E_META_TYPE', 'a description of a checkpoint is an object, this is not')
  const form = top.get('schema') ?? top.get('format')
  checkVersion(source, form)
  const value = toPlain(source, top, [])
  const metadata =
    form === metadataForm ? parse(source, metadataSchema, value) : parse(source, draftSchema, value)
  checkTensors(source, metadata)
  return metadata
}

/**
 * Reads the description of a checkpoint, the JSON beside its weights; every number in it is checked.
 * @throws FormatError with the reason in its code, such as E_JSON, E_META_VERSION or E_META_SHAPE
 */
export function readCheckpointMetadata(path: string): AnyMetadata {
  using source = new FileSource(path)
  return readMetadata(source)
}

/** The JSON of a description before its form is checked. */
export function readMetadataJson(source: ByteSource): JsonValue {
  if (source.sizeBytes > largestFileBytes)
    throw broken(source, 'E_LIMIT', `the file has ${source.sizeBytes} bytes`)
  return parseJson(source, source.read(0, source.sizeBytes), {deepest})
}

/** Whether it is of the form that is written now. */
export function isCurrentForm(metadata: AnyMetadata): metadata is Metadata {
  return 'schema' in metadata
}

function checkVersion(source: ByteSource, form: JsonValue | undefined): void {
  if (form === undefined) return
  const [, version] =
    (typeof form === 'string' ? /^vilbert-ts[./]checkpoint[@/](\d{1,9})$/.exec(form) : null) ?? []
  if (version === '1') return
  const what =
    version === undefined
      ? `this is no description of a checkpoint: it says ${show(form)} of itself`
      : `the description is of version ${version}, this program reads version 1`
  throw broken(source, 'E_META_VERSION', what)
}

const keysOfObjects = new Set(['__proto__', 'constructor', 'prototype'])

// What zod and the rest of the program get are plain objects, so no key may reach a prototype.
function toPlain(source: ByteSource, value: JsonValue, path: readonly PropertyKey[]): unknown {
  if (Array.isArray(value)) return value.map((item, index) => toPlain(source, item, [...path, index]))
  if (!(value instanceof Map)) return value
  const entries = [...value].map(([key, item]): [string, unknown] => {
    if (keysOfObjects.has(key))
      throw broken(source, 'E_META_KEY', `there is a key ${placeOf([...path, key])}`)
    return [key, toPlain(source, item, [...path, key])]
  })
  return Object.fromEntries(entries)
}

function parse<T extends z.ZodType>(source: ByteSource, schema: T, value: unknown): z.output<T> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw issueError(source, parsed.error.issues[0], value)
}

const codeOfKey: Readonly<Record<string, string>> = {
  file: 'E_META_PATH',
  sha256: 'E_META_SHA',
  sampleSha256: 'E_META_SHA',
  dtype: 'E_META_DTYPE',
  shape: 'E_META_SHAPE',
  name: 'E_META_KEY',
  offset: 'E_META_NUMBER',
  nbytes: 'E_META_NUMBER',
  bytes: 'E_META_NUMBER',
  sizeBytes: 'E_META_NUMBER',
  epoch: 'E_META_NUMBER',
  schema: 'E_META_VERSION',
  format: 'E_META_VERSION',
}

function issueError(source: ByteSource, issue: z.core.$ZodIssue | undefined, value: unknown): FormatError {
  if (issue === undefined) return broken(source, 'E_META_TYPE', 'the description is not valid')
  const place = placeOf(issue.path)
  if (issue.code === 'unrecognized_keys') {
    const keys = issue.keys.map((key) => `"${printable(key)}"`).join(', ')
    return broken(
      source,
      'E_META_KEY',
      `${place === '' ? 'there is' : `${place} has`} the unknown key ${keys}`,
    )
  }
  const found = valueAtPath(value, issue.path)
  if (found === undefined) return broken(source, 'E_META_KEY', `${place} is missing`)
  const key = issue.path.findLast((part) => typeof part === 'string')
  const code = (typeof key === 'string' ? codeOfKey[key] : undefined) ?? 'E_META_TYPE'
  return broken(source, code, `${place} is ${show(found)}, which is not possible there (${issue.message})`)
}

function placeOf(path: readonly PropertyKey[]): string {
  return path.map((part, index) => segment(part, index)).join('')
}

function segment(part: PropertyKey, index: number): string {
  return typeof part === 'number' ? `[${part}]` : `${index === 0 ? '' : '.'}${printable(String(part))}`
}

function show(value: unknown): string {
  if (value instanceof Map) return 'an object'
  return typeof value === 'string' ? `"${printable(value)}"` : printable(JSON.stringify(value))
}

// Names once, sizes that fit shapes, and no byte in two tensors, which would let one change another.
function checkTensors(source: ByteSource, metadata: AnyMetadata): void {
  const names = new Set<string>()
  const byFile = new Map<string, TensorRecord[]>()
  for (const tensor of metadata.tensors) {
    const shown = printable(checkTensorName(source, tensor.name))
    if (names.has(tensor.name)) throw broken(source, 'E_META_DUP', `the tensor "${shown}" is there twice`)
    names.add(tensor.name)
    const {dtype, shape, nbytes, offset} = tensor
    if (tensorBytes(dtype, shape) !== nbytes) {
      const what = `"${shown}" of shape [${shape.join(', ')}] and type ${dtype} does not take ${nbytes} bytes`
      throw broken(source, 'E_META_SHAPE', what)
    }
    if (!Number.isSafeInteger(offset + nbytes))
      throw broken(source, 'E_META_OFFSET', `"${shown}" ends beyond any file`)
    const file = 'file' in tensor ? tensor.file : ''
    byFile.set(file, [...(byFile.get(file) ?? []), tensor])
  }
  for (const tensors of byFile.values()) checkOverlap(source, tensors)
  if (isCurrentForm(metadata)) checkEnd(source, metadata)
}

function checkOverlap(source: ByteSource, tensors: readonly TensorRecord[]): void {
  const sorted = [...tensors].sort((a, b) => a.offset - b.offset || a.nbytes - b.nbytes)
  let end = 0
  for (const {name, offset, nbytes} of sorted) {
    if (offset < end) throw broken(source, 'E_META_OFFSET', `"${printable(name)}" overlaps another tensor`)
    end = offset + nbytes
  }
}

function checkEnd(source: ByteSource, {tensors, sizeBytes}: Metadata): void {
  const beyond = tensors.find(({offset, nbytes}) => offset + nbytes > sizeBytes)
  if (beyond === undefined) return
  throw broken(
    source,
    'E_META_OFFSET',
    `"${printable(beyond.name)}" ends beyond the payload's ${sizeBytes} bytes`,
  )
}
