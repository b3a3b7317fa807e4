import {printable} from '../errors.js'
import type {FormatError} from '../errors.js'
import {ByteReader} from './byte-reader.js'
import type {ByteSource} from './byte-source.js'
import {Payload} from './payload.js'
import {opcodes} from './pickle-opcodes.js'
import {kindOf, PickleGlobal, PickleObject, PickleTuple} from './pickle-values.js'
import type {PickleContext, PickleGlobals, PickleValue} from './pickle-values.js'
import {TextPool} from './text.js'

export type PickleOptions = {
  /** The imports the file may name. */
  readonly globals: PickleGlobals
  /**
   * What a Python 2 `str` becomes: `text` decodes it (UTF-8, else Latin-1) into a string, `payload` leaves it in the
   * file because it may be either text or bytes. @default 'payload'
   */
  readonly python2Strings?: 'text' | 'payload'
  /** Where the pickle begins. @default 0 */
  readonly start?: number
  /** Whether bytes may follow; the result says where. @default false */
  readonly allowTrailing?: boolean
  /** Gives a value for a persistent id (PyTorch's storages); without it such an id is refused. */
  readonly persistentLoad?: (id: PickleValue, context: PickleContext) => PickleValue
  /** A dict that is given attributes (PyTorch's `_metadata`) drops them instead of being refused. @default false */
  readonly dropDictState?: boolean
}

/**
 * Reads a pickle of protocol 0 to 5 without importing or calling anything that the file names: an import is looked up
 * in `globals`, and reconstructing checks the shape of the arguments. Lengths are checked before allocating; memo,
 * nesting and number of values are bounded by the size of the file.
 * @throws FormatError with the code of the fault and its byte offset
 */
export function readPickle(source: ByteSource, options: PickleOptions): PickleValue {
  return readPickleAt(source, options).value
}

/** The same for a pickle that is followed by something: also answers where it ends. */
export function readPickleAt(source: ByteSource, options: PickleOptions): {value: PickleValue; end: number} {
  const machine = new PickleMachine(source, options)
  const value = machine.run()
  const end = machine.reader.position
  if (options.allowTrailing !== true && end !== source.sizeBytes) {
    throw machine.fail('E_TRAILING', `${source.sizeBytes - end} bytes follow the end of the data`)
  }
  return {value, end}
}

const newestProtocol = 5
const mostOpenMarks = 64
const mostContainers = 4_000_000
const mostValues = 32_000_000

/** The stack, the memo and their bounds; `pickle-opcodes.ts` has what each opcode does with them. */
export class PickleMachine implements PickleContext {
  readonly source: ByteSource
  readonly reader: ByteReader
  readonly options: PickleOptions
  readonly pool = new TextPool()
  readonly #stack: PickleValue[] = []
  readonly #marks: number[] = []
  readonly #memo: PickleValue[] = []
  #bottom = 0
  #containers: number
  #values: number
  #finished = false

  constructor(source: ByteSource, options: PickleOptions) {
    this.source = source
    this.options = options
    this.reader = new ByteReader(source, options.start ?? 0)
    this.#containers = Math.min(mostContainers, 100_000 + source.sizeBytes / 16)
    this.#values = Math.min(mostValues, 200_000 + source.sizeBytes / 2)
  }

  run(): PickleValue {
    const {reader} = this
    this.#readProtocol()
    while (!this.#finished) {
      const opcode = reader.u8()
      const act = opcodes[opcode]
      if (act === undefined) {
        const name = `0x${opcode.toString(16).padStart(2, '0')}`
        throw this.fail(
          'E_OPCODE',
          `${name} is not an instruction that this reader follows`,
          reader.position - 1,
        )
      }
      act(this)
    }
    const value = this.pop()
    if (this.#stack.length !== 0) throw this.fail('E_STACK', `${this.#stack.length} values are left over`)
    if (value instanceof PickleGlobal) throw this.fail('E_VALUE', 'the file holds nothing but an import')
    return value
  }

  stop(): void {
    this.#finished = true
  }

  push(value: PickleValue): void {
    if (--this.#values < 0) throw this.fail('E_LIMIT', 'the file holds too many values for its size')
    this.#stack.push(value)
  }

  /** As `push`, for values that take more memory than their bytes in the file. */
  pushContainer(value: PickleValue): void {
    if (--this.#containers < 0)
      throw this.fail('E_LIMIT', 'the file holds too many lists and dicts for its size')
    this.push(value)
  }

  pop(): PickleValue {
    if (this.#stack.length <= this.#bottom)
      throw this.fail('E_STACK', 'an instruction finds no value to work on')
    return this.#stack.pop() ?? null
  }

  top(): PickleValue {
    if (this.#stack.length <= this.#bottom)
      throw this.fail('E_STACK', 'an instruction finds no value to work on')
    return this.#stack[this.#stack.length - 1] ?? null
  }

  mark(): void {
    if (this.#marks.length >= mostOpenMarks) throw this.fail('E_LIMIT', 'the file nests too deep')
    this.#marks.push(this.#bottom)
    this.#bottom = this.#stack.length
  }

  /** The values since the last mark, which is removed with them. */
  popToMark(): PickleValue[] {
    const outer = this.#marks.pop()
    if (outer === undefined) throw this.fail('E_STACK', 'an instruction finds no mark')
    const values = this.#stack.splice(this.#bottom)
    this.#bottom = outer
    return values
  }

  remember(index = this.#memo.length): void {
    if (index > this.#memo.length + 1) throw this.fail('E_LIMIT', `memo index ${index} is out of order`)
    this.#memo[index] = this.top()
  }

  recall(index: number): void {
    const value = this.#memo[index]
    if (value === undefined) throw this.fail('E_STACK', `memo index ${index} was never stored`)
    this.push(value)
  }

  append(list: PickleValue, value: PickleValue): void {
    if (!Array.isArray(list)) throw this.fail('E_STACK', `an item is added to ${kindOf(list)}`)
    this.#checkIsData(value, 'a list item')
    list.push(value)
  }

  setItem(dict: PickleValue, key: PickleValue, value: PickleValue): void {
    if (!(dict instanceof Map)) throw this.fail('E_STACK', `a key is set on ${kindOf(dict)}`)
    const name = typeof key === 'string' ? key : this.#keyText(key)
    if (dict.has(name)) throw this.fail('E_KEY', `the key "${printable(name)}" is there twice`)
    if (value instanceof PickleObject) this.#checkIsData(value, `the value of "${printable(name)}"`)
    dict.set(name, value)
  }

  setItems(dict: PickleValue, pairs: readonly PickleValue[]): void {
    if (pairs.length % 2 !== 0) throw this.fail('E_STACK', 'a key without a value')
    for (let index = 0; index < pairs.length; index += 2) {
      this.setItem(dict, pairs[index] ?? null, pairs[index + 1] ?? null)
    }
  }

  pushGlobal(module: string, name: string): void {
    const found = this.options.globals.get(`${module} ${name}`)
    if (found === undefined) {
      const wanted = `${printable(module)}.${printable(name)}`
      throw this.fail('E_GLOBAL', `the file wants to import "${wanted}", which no file of this kind needs`)
    }
    this.push(found)
  }

  reduce(): void {
    const args = this.pop()
    const callee = this.pop()
    if (!(callee instanceof PickleGlobal) || !(args instanceof PickleTuple)) {
      throw this.fail('E_REDUCE', `the file wants to call ${kindOf(callee)} with ${kindOf(args)}`)
    }
    this.pushContainer(callee.reconstruct(args.items, this))
  }

  build(): void {
    const state = this.pop()
    const target = this.top()
    if (target instanceof PickleObject) target.build(state, this)
    else if (!(target instanceof Map) || this.options.dropDictState !== true) {
      throw this.fail('E_BUILD', `the file wants to set the state of ${kindOf(target)}`)
    }
  }

  fail(code: string, what: string, offset?: number): FormatError {
    return this.reader.fail(code, what, offset)
  }

  #readProtocol(): void {
    const {reader} = this
    const first = reader.take(1)
    if (reader.window[first] !== 0x80) {
      reader.rewind(1)
      return
    }
    const protocol = reader.u8()
    if (protocol > newestProtocol) throw this.fail('E_PROTOCOL', `pickle protocol ${protocol} is not known`)
  }

  // An import or a bare dtype among the data would be handed to code that expects plain values.
  #checkIsData(value: PickleValue, what: string): void {
    if (value instanceof PickleObject && !value.isData) throw this.fail('E_VALUE', `${what} is ${value.kind}`)
  }

  #keyText(key: PickleValue): string {
    if (key instanceof Payload && key.kind === 'python2' && key.lengthBytes <= 4096)
      return key.text(this.source)
    throw this.fail('E_KEY', `a dict has ${kindOf(key)} as a key, which is not text`)
  }
}
