import type {FormatError} from '../errors.js'
import type {ByteSource} from './byte-source.js'
import {Payload} from './payload.js'

/** What a pickle can hold here. Nothing in it has behaviour, and no object of it has a key from the file. */
export type PickleValue =
  null | boolean | number | bigint | string | Payload | PickleTuple | PickleList | PickleDict | PickleObject

export type PickleList = PickleValue[]

/** A dict: unique text keys in file order. */
export type PickleDict = Map<string, PickleValue>

export class PickleTuple {
  readonly items: readonly PickleValue[]

  constructor(items: readonly PickleValue[]) {
    this.items = items
  }
}

/** What a reconstructor may use: the file for payloads and the error that names its place. */
export type PickleContext = {
  readonly source: ByteSource
  fail(code: string, what: string): FormatError
  /** Adds to a dict with the checks that every dict gets. */
  setItem(dict: PickleValue, key: PickleValue, value: PickleValue): void
}

/** A value that is more than plain data; only our own classes extend it. */
export abstract class PickleObject {
  /** How messages call it. */
  abstract readonly kind: string

  /** Whether it may be kept in a list or dict; imports and bare types may not. */
  readonly isData: boolean = false

  /** Takes the state that the file gives it with BUILD. */
  build(_state: PickleValue, context: PickleContext): void {
    throw context.fail('E_BUILD', `the file wants to set the state of ${this.kind}`)
  }
}

/** A recognised import. It is a name with a check of arguments; nothing is imported or called. */
export class PickleGlobal extends PickleObject {
  readonly kind = 'an import'
  readonly name: string
  readonly reconstruct: (args: readonly PickleValue[], context: PickleContext) => PickleValue

  constructor(name: string, reconstruct: PickleGlobal['reconstruct']) {
    super()
    this.name = name
    this.reconstruct = reconstruct
  }
}

/** The imports a kind of file may name, by `module name`. */
export type PickleGlobals = ReadonlyMap<string, PickleGlobal>

/** How messages call a value. */
export function kindOf(value: PickleValue | undefined): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'None'
  if (value instanceof PickleObject) return value.kind
  if (value instanceof Map) return 'a dict'
  if (Array.isArray(value)) return 'a list'
  if (value instanceof PickleTuple) return 'a tuple'
  if (value instanceof Payload) return value.kind === 'bytes' ? 'bytes' : 'text'
  return typeof value === 'string' ? 'text' : typeof value === 'boolean' ? 'a boolean' : 'a number'
}

/** The text of a string or a Python 2 `str`; undefined for anything else. */
export function textOf(value: PickleValue | undefined, source: ByteSource): string | undefined {
  if (typeof value === 'string') return value
  return value instanceof Payload && value.kind === 'python2' ? value.text(source) : undefined
}

/** Bytes or a Python 2 `str`; undefined for anything else. */
export function bytesOf(value: PickleValue | undefined): Payload | undefined {
  return value instanceof Payload && value.kind !== 'text' ? value : undefined
}
