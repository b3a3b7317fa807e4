import {printable} from '../errors.js'
import {broken} from './byte-source.js'
import type {ByteSource} from './byte-source.js'
import {Payload} from './payload.js'
import {kindOf, PickleTuple, textOf} from './pickle-values.js'
import type {PickleDict, PickleValue} from './pickle-values.js'
import type {StoredTensor} from './stored-tensor.js'
import {checkTensorName} from './tensor-name.js'

const deepestPath = 8
const longestList = 100_000
const longestScalarText = 4096
const mostEntries = 1_000_000
const mostNameCharacters = 16_000_000

/** What a parameter file holds besides tensors. */
export type Scalar = null | boolean | number | bigint | string

/** A list or tuple of a pickle, or an empty dict: what the tensors' own paths do not tell. */
export type Container = {readonly path: readonly string[]; readonly kind: 'list' | 'tuple' | 'dict'}

/** Walks what a pickle holds and sorts it into tensors and scalars; bounds both depth and number, because values may be shared or contain themselves. */
export class TensorCollector {
  readonly tensors: StoredTensor[] = []
  readonly scalars = new Map<string, Scalar>()
  /** The keys that lead to each scalar, by its name. */
  readonly scalarPaths = new Map<string, readonly string[]>()
  readonly containers: Container[] = []
  readonly #source: ByteSource
  readonly #tensorOf: (value: PickleValue, path: readonly string[]) => StoredTensor | undefined
  readonly #names = new Set<string>()
  #left: number
  #nameCharactersLeft = mostNameCharacters

  /** `tensorOf` makes the tensor of a value that is one; what it is not asked about are dicts, lists and tuples. */
  constructor(
    source: ByteSource,
    tensorOf: (value: PickleValue, path: readonly string[]) => StoredTensor | undefined,
  ) {
    this.#source = source
    this.#tensorOf = tensorOf
    this.#left = Math.min(mostEntries, 1000 + 4 * source.sizeBytes)
  }

  visit(value: PickleValue, path: readonly string[]): void {
    if (--this.#left < 0) throw broken(this.#source, 'E_LIMIT', 'the file expands to too many values')
    if (path.length > deepestPath)
      throw broken(this.#source, 'E_LIMIT', 'the file nests too deep or contains itself')
    if (value instanceof Map) this.#visitDict(value, path)
    else if (value instanceof PickleTuple) this.#visitList(value.items, {kind: 'tuple', path})
    else if (Array.isArray(value)) this.#visitList(value, {kind: 'list', path})
    else this.#visitLeaf(value, path)
  }

  #visitLeaf(value: PickleValue, path: readonly string[]): void {
    const tensor = this.#tensorOf(value, path)
    if (tensor === undefined) this.#addScalar(value, path)
    else this.keep(tensor)
  }

  #visitDict(dict: PickleDict, path: readonly string[]): void {
    if (dict.size === 0) this.#addContainer({kind: 'dict', path})
    for (const [key, value] of dict) this.visit(value, [...path, checkTensorName(this.#source, key)])
  }

  #visitList(items: readonly PickleValue[], container: Container): void {
    if (items.length > longestList) throw broken(this.#source, 'E_LIMIT', `a list has ${items.length} items`)
    this.#addContainer(container)
    for (const [index, item] of items.entries()) this.visit(item, [...container.path, String(index)])
  }

  #addContainer(container: Container): void {
    this.#spend(container.path.join('/').length)
    this.containers.push(container)
  }

  // {"a": {"b": …}, "a/b": …} would give two tensors one name.
  /** Adds a tensor under its name, which must be new. */
  keep(tensor: StoredTensor): void {
    this.#claim(tensor.name)
    this.tensors.push(tensor)
  }

  #addScalar(value: PickleValue, path: readonly string[]): void {
    const name = path.join('/')
    this.#claim(name)
    this.scalars.set(name, this.#scalar(value, name))
    this.scalarPaths.set(name, path)
  }

  #scalar(value: PickleValue, name: string): Scalar {
    const text = textOf(value, this.#source) ?? value
    if (typeof text === 'string') {
      if (text.length > longestScalarText)
        throw broken(this.#source, 'E_LIMIT', `the text of "${printable(name)}" is too long`)
      return text
    }
    if (text instanceof Payload && text.kind === 'text') {
      throw broken(this.#source, 'E_LIMIT', `the text of "${printable(name)}" is too long`)
    }
    if (text === null || typeof text === 'boolean' || typeof text === 'number' || typeof text === 'bigint')
      return text
    throw broken(this.#source, 'E_VALUE', `"${printable(name)}" is ${kindOf(text)}`)
  }

  #claim(name: string): void {
    this.#spend(name.length)
    if (this.#names.has(name)) throw broken(this.#source, 'E_KEY', `"${printable(name)}" is there twice`)
    this.#names.add(name)
  }

  // Values that many dicts share are few in the file, but each way to one makes a name.
  #spend(characters: number): void {
    this.#nameCharactersLeft -= characters
    if (this.#nameCharactersLeft < 0)
      throw broken(this.#source, 'E_LIMIT', 'the file expands to too many names')
  }
}
