import type {PickleMachine} from './pickle.js'
import {
  bytes,
  decimal,
  decimalFraction,
  decimalIndex,
  escapedText,
  line,
  longNumber,
  python2String,
  quotedString,
  signedLength,
  text,
} from './pickle-literals.js'
import {PickleTuple, textOf} from './pickle-values.js'
import type {PickleValue} from './pickle-values.js'

type Act = (machine: PickleMachine) => void

const table: Readonly<Record<string, Act>> = {
  // the end, marks and the memo
  '.': stop,
  '(': mark,
  p: operand(decimalIndex, remember),
  q: operand(u8, remember),
  r: operand(u32, remember),
  '\x94': rememberNext,
  g: operand(decimalIndex, recall),
  h: operand(u8, recall),
  j: operand(u32, recall),
  '\x95': frame,
  // constants and numbers
  N: operand(() => null, push),
  '\x88': operand(() => true, push),
  '\x89': operand(() => false, push),
  I: operand(decimal, push),
  L: operand(decimal, push),
  K: operand(u8, push),
  M: operand(u16, push),
  J: operand(i32, push),
  '\x8a': operand(u8, longNumber),
  '\x8b': operand(signedLength, longNumber),
  F: operand(decimalFraction, push),
  G: operand(f64, push),
  // text, bytes, and the Python 2 `str` that may be either
  V: operand(escapedText, push),
  X: operand(u32, text),
  '\x8c': operand(u8, text),
  '\x8d': operand(u64, text),
  B: operand(u32, bytes),
  C: operand(u8, bytes),
  '\x8e': operand(u64, bytes),
  '\x96': operand(u64, bytes),
  S: quotedString,
  T: operand(signedLength, python2String),
  U: operand(u8, python2String),
  // containers
  '}': operand(() => new Map<string, PickleValue>(), pushContainer),
  ']': operand(() => [], pushContainer),
  ')': operand(() => new PickleTuple([]), pushContainer),
  '\x85': operand(() => 1, tuple),
  '\x86': operand(() => 2, tuple),
  '\x87': operand(() => 3, tuple),
  t: operand(tupleToMark, pushContainer),
  l: operand(listToMark, pushContainer),
  d: operand(dictToMark, pushContainer),
  a: append,
  e: appends,
  s: setItem,
  u: setItems,
  // what would run code in Python: looked up, checked, never called
  c: global,
  '\x93': stackGlobal,
  R: reduce,
  b: build,
  Q: persistentId,
  i: operand(() => 'INST', refuseObject),
  o: operand(() => 'OBJ', refuseObject),
  '\x81': operand(() => 'NEWOBJ', refuseObject),
  '\x92': operand(() => 'NEWOBJ_EX', refuseObject),
}

/** What each instruction does, by its byte; an instruction that is not here is refused. */
export const opcodes: readonly (Act | undefined)[] = Array.from({length: 256}, (_, byte) => {
  const key = String.fromCharCode(byte)
  return Object.hasOwn(table, key) ? table[key] : undefined
})

// An instruction is what it reads and what it then does with that.
function operand<T>(
  read: (machine: PickleMachine) => T,
  act: (machine: PickleMachine, value: T) => void,
): Act {
  return (machine) => {
    act(machine, read(machine))
  }
}

function u8(machine: PickleMachine): number {
  return machine.reader.u8()
}

function u16(machine: PickleMachine): number {
  return machine.reader.u16()
}

function u32(machine: PickleMachine): number {
  return machine.reader.u32()
}

function i32(machine: PickleMachine): number {
  return machine.reader.i32()
}

function u64(machine: PickleMachine): number {
  return machine.reader.u64()
}

function f64(machine: PickleMachine): number {
  return machine.reader.f64BigEndian()
}

function stop(machine: PickleMachine): void {
  machine.stop()
}

function mark(machine: PickleMachine): void {
  machine.mark()
}

function push(machine: PickleMachine, value: PickleValue): void {
  machine.push(value)
}

function pushContainer(machine: PickleMachine, value: PickleValue): void {
  machine.pushContainer(value)
}

function remember(machine: PickleMachine, index: number): void {
  machine.remember(index)
}

function rememberNext(machine: PickleMachine): void {
  machine.remember()
}

function recall(machine: PickleMachine, index: number): void {
  machine.recall(index)
}

// A frame is a promise about lengths; only a false one matters.
function frame(machine: PickleMachine): void {
  const lengthBytes = machine.reader.u64()
  if (lengthBytes > machine.reader.leftBytes) {
    throw machine.fail(
      'E_TRUNCATED',
      `the file is cut off: ${machine.reader.leftBytes} of ${lengthBytes} bytes are left`,
    )
  }
}

function tuple(machine: PickleMachine, size: number): void {
  const items = Array.from({length: size}, () => machine.pop()).reverse()
  machine.pushContainer(new PickleTuple(items))
}

function append(machine: PickleMachine): void {
  const value = machine.pop()
  machine.append(machine.top(), value)
}

function appends(machine: PickleMachine): void {
  const values = machine.popToMark()
  const list = machine.top()
  for (const value of values) machine.append(list, value)
}

function tupleToMark(machine: PickleMachine): PickleTuple {
  return new PickleTuple(machine.popToMark())
}

function listToMark(machine: PickleMachine): PickleValue[] {
  const list: PickleValue[] = []
  for (const value of machine.popToMark()) machine.append(list, value)
  return list
}

function dictToMark(machine: PickleMachine): PickleValue {
  const dict = new Map<string, PickleValue>()
  machine.setItems(dict, machine.popToMark())
  return dict
}

function setItem(machine: PickleMachine): void {
  const value = machine.pop()
  const key = machine.pop()
  machine.setItem(machine.top(), key, value)
}

function setItems(machine: PickleMachine): void {
  const pairs = machine.popToMark()
  machine.setItems(machine.top(), pairs)
}

function global(machine: PickleMachine): void {
  const module = line(machine)
  machine.pushGlobal(module, line(machine))
}

function stackGlobal(machine: PickleMachine): void {
  const name = textOf(machine.pop(), machine.source)
  const module = textOf(machine.pop(), machine.source)
  if (name === undefined || module === undefined) throw machine.fail('E_STACK', 'an import has no name')
  machine.pushGlobal(module, name)
}

function reduce(machine: PickleMachine): void {
  machine.reduce()
}

function build(machine: PickleMachine): void {
  machine.build()
}

function persistentId(machine: PickleMachine): void {
  const load = machine.options.persistentLoad
  if (load === undefined)
    throw machine.fail('E_OPCODE', 'the file points to something outside of itself (BINPERSID)')
  machine.pushContainer(load(machine.pop(), machine))
}

function refuseObject(machine: PickleMachine, name: string): void {
  throw machine.fail('E_OPCODE', `the file wants to make an object of a class (${name})`)
}
