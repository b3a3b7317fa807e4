import {printable} from '../errors.js'
import {broken} from './byte-source.js'
import type {ByteSource} from './byte-source.js'
import {isFileName} from './file-name.js'
import {plainGlobals} from './pickle-globals.js'
import {kindOf} from './pickle-values.js'
import type {PickleDict, PickleValue} from './pickle-values.js'
import {readPickle} from './pickle.js'
import type {ProblemKind, ProblemSink} from './problems.js'
import {sniff} from './sniff.js'

/** One way of saying which object is meant. */
export type Sentence = {
  readonly sentId: number
  /** The text as it was typed: the model's input. */
  readonly raw: string
}

/** One object that expressions refer to. */
export type Ref = {
  readonly refId: number
  readonly annId: number
  readonly imageId: number
  readonly categoryId: number
  readonly split: string
  readonly fileName: string | undefined
  readonly sentences: readonly Sentence[]
}

/** Every split that a REFER data set can have. */
export const knownSplits: readonly string[] = ['train', 'val', 'test', 'testA', 'testB']

const longestRaw = 2000

/**
 * Reads `refs(<splitBy>).p` of any protocol, written by Python 2 or 3, in file order.
 * What makes a file unreadable is thrown; what is readable but wrong (an unknown split, an empty sentence) goes to
 * `onProblem`.
 * @throws FormatError naming the ref by its index and the field
 */
export function readRefs(source: ByteSource, onProblem: ProblemSink = () => undefined): Ref[] {
  checkIsPickle(source)
  const top = readPickle(source, {globals: plainGlobals, python2Strings: 'text'})
  if (!Array.isArray(top))
    throw broken(source, 'E_REFS_TYPE', `the file holds ${kindOf(top)} in place of a list of refs`)
  if (top.length === 0) throw broken(source, 'E_REFS_TYPE', 'the list of refs is empty')
  const reader = new RefReader(source, onProblem)
  return top.map((value, index) => reader.read(value, index))
}

function checkIsPickle(source: ByteSource): void {
  const kind = sniff(source)
  if (kind === 'html')
    throw broken(source, 'E_FORMAT_HTML', 'this is a web page and not a refs file, so its download failed')
  const first = source.read(0, 1).toString('latin1')
  if (kind !== 'pickle' && kind !== 'dense-tensor' && !'\x80(c]}ld'.includes(first)) {
    throw broken(source, 'E_NOT_PICKLE', 'this is not a refs file, which is a Python pickle')
  }
}

const namesOfObjects = ['__proto__', 'constructor', 'prototype']

class RefReader {
  readonly #source: ByteSource
  readonly #onProblem: ProblemSink
  readonly #refIds = new Set<number>()
  readonly #sentIds = new Set<number>()

  constructor(source: ByteSource, onProblem: ProblemSink) {
    this.#source = source
    this.#onProblem = onProblem
  }

  read(value: PickleValue, index: number): Ref {
    const where = `ref ${index}`
    if (!(value instanceof Map))
      throw this.#fail('E_REFS_TYPE', `${where} is ${kindOf(value)} in place of a dict`)
    for (const name of namesOfObjects) {
      if (value.has(name)) throw this.#fail('E_REFS_FIELD', `${where} has a field ${name}`)
    }
    const ref = {
      refId: this.#id(value, 'ref_id', where),
      annId: this.#id(value, 'ann_id', where),
      imageId: this.#id(value, 'image_id', where),
      categoryId: this.#id(value, 'category_id', where),
      split: this.#split(value, where),
      fileName: this.#fileName(value, where),
      sentences: this.#sentences(value, where),
    }
    if (this.#refIds.has(ref.refId))
      throw this.#fail('E_REFS_DUP', `ref_id ${ref.refId} is there twice (${where})`)
    this.#refIds.add(ref.refId)
    return ref
  }

  #split(dict: PickleDict, where: string): string {
    const split = this.#field(dict, 'split', where)
    if (typeof split !== 'string')
      throw this.#fail('E_REFS_TYPE', `the split of ${where} is ${kindOf(split)}`)
    if (!knownSplits.includes(split))
      this.#report('E_REFS_FIELD', `${where} has the unknown split "${printable(split)}"`)
    return split
  }

  #fileName(dict: PickleDict, where: string): string | undefined {
    const name = dict.get('file_name')
    if (name === undefined) return undefined
    if (typeof name === 'string' && isFileName(name)) return name
    const shown = typeof name === 'string' ? `"${printable(name)}"` : kindOf(name)
    throw this.#fail('E_REFS_PATH', `the file_name of ${where} is ${shown}, which is not the name of a file`)
  }

  #sentences(dict: PickleDict, where: string): Sentence[] {
    const values = this.#list(dict, 'sentences', where)
    const ids = this.#list(dict, 'sent_ids', where)
    if (values.length !== ids.length) {
      throw this.#fail('E_REFS_FIELD', `${where} has ${values.length} sentences and ${ids.length} sent_ids`)
    }
    if (values.length === 0) this.#report('E_REFS_FIELD', `the sentences of ${where} are empty`)
    return values.map((value, index) => this.#sentence(value, ids[index], where))
  }

  #sentence(value: PickleValue, id: PickleValue | undefined, where: string): Sentence {
    if (!(value instanceof Map)) throw this.#fail('E_REFS_TYPE', `a sentence of ${where} is ${kindOf(value)}`)
    const sentId = this.#id(value, 'sent_id', `a sentence of ${where}`)
    if (sentId !== id)
      throw this.#fail('E_REFS_FIELD', `the sent_ids of ${where} do not match its sentences (${sentId})`)
    if (this.#sentIds.has(sentId))
      throw this.#fail('E_REFS_DUP', `sent_id ${sentId} is there twice (${where})`)
    this.#sentIds.add(sentId)
    const raw = this.#field(value, 'raw', `sentence ${sentId} of ${where}`)
    if (typeof raw !== 'string') {
      const code = kindOf(raw) === 'text' ? 'E_REFS_FIELD' : 'E_REFS_TYPE'
      const what = code === 'E_REFS_FIELD' ? 'too long' : kindOf(raw)
      throw this.#fail(code, `raw of sentence ${sentId} of ${where} is ${what}`)
    }
    this.#checkRaw(raw, `raw of sentence ${sentId} of ${where}`)
    return {sentId, raw}
  }

  #checkRaw(raw: string, what: string): void {
    if (raw.trim() === '') this.#report('E_REFS_FIELD', `${what} is empty`)
    if (raw.length > longestRaw) this.#report('E_REFS_FIELD', `${what} has ${raw.length} characters`, 'odd')
    if (/[\0-\x1f\x7f]/.test(raw)) this.#report('E_REFS_TEXT', `${what} has control characters`, 'odd')
  }

  #list(dict: PickleDict, field: string, where: string): readonly PickleValue[] {
    const value = this.#field(dict, field, where)
    if (!Array.isArray(value))
      throw this.#fail('E_REFS_TYPE', `${field} of ${where} is ${kindOf(value)} in place of a list`)
    return value
  }

  #id(dict: PickleDict, field: string, where: string): number {
    const value = this.#field(dict, field, where)
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
    const shown = typeof value === 'number' || typeof value === 'bigint' ? String(value) : kindOf(value)
    throw this.#fail('E_REFS_TYPE', `${field} of ${where} is ${shown} in place of a whole number`)
  }

  #field(dict: PickleDict, field: string, where: string): PickleValue {
    const value = dict.get(field)
    if (value === undefined) throw this.#fail('E_REFS_FIELD', `${where} has no ${field}`)
    return value
  }

  #report(code: string, what: string, kind: ProblemKind = 'wrong'): void {
    this.#onProblem(broken(this.#source, code, what), kind)
  }

  #fail(code: string, what: string): Error {
    return broken(this.#source, code, what)
  }
}
