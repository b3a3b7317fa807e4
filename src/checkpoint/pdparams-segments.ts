import {CheckpointError, printable} from '../errors.js'
import {dtypeBytes, tensorBytes} from '../formats/dtypes.js'
import type {Dtype} from '../formats/dtypes.js'
import type {Scalar} from '../formats/tensor-collector.js'
import type {OutputTensor} from './output-tensor.js'
import type {Segment} from './segments.js'
import {scalarFromJson} from './structure.js'
import type {Structure} from './structure.js'

/** What a dict, list or tuple of the file holds. */
type Branch = {kind: 'dict' | 'list' | 'tuple'; readonly children: Map<string, Node>}
type Leaf = {readonly tensor: OutputTensor} | {readonly scalar: Scalar}
type Node = Branch | Leaf

const nameTableKey = 'StructuredToParameterName@@'

/**
 * The parts of a `.pdparams`: a pickle of protocol 4 with numpy arrays that stock `paddle.load` reads. Unframed and
 * without a memo, so that no part depends on another; python/vilbert/pdparams.py writes the same bytes.
 * @throws CheckpointError E_DTYPE for a type that Paddle has not
 */
export function pdparamsSegments(outputs: readonly OutputTensor[], structure: Structure): Segment[] {
  const unknown = outputs.find(({dtype}) => numpyCodes[dtype] === undefined)
  if (unknown !== undefined) throw noSuchType(unknown)
  const root = treeOf(outputs, structure)
  const parts: Segment[] = [Buffer.from([0x80, 4])]
  if ('kind' in root && root.kind === 'dict') {
    parts.push(Buffer.from('}('))
    for (const [key, node] of root.children) parts.push(text(key), ...nodeParts(node))
    parts.push(...nameTable(outputs, structure), Buffer.from('u'))
  } else parts.push(...nodeParts(root))
  return joined([...parts, Buffer.from('.')])
}

// Paths say where everything is; only lists, tuples and empty dicts have to be told apart.
function treeOf(outputs: readonly OutputTensor[], structure: Structure): Node {
  const root: Branch = {kind: 'dict', children: new Map()}
  for (const {path, kind} of structure.containers ?? []) branchAt(root, path).kind = kind
  const leaves: (readonly [readonly string[], Leaf])[] = [
    ...outputs.map((tensor) => [tensor.path, {tensor}] as const),
    ...(structure.scalars ?? []).map(({path, value}) => [path, {scalar: scalarFromJson(value)}] as const),
  ]
  for (const [path, leaf] of leaves) {
    const key = path.at(-1)
    if (key === undefined) return leaf
    branchAt(root, path.slice(0, -1)).children.set(key, leaf)
  }
  return root
}

function branchAt(root: Branch, path: readonly string[]): Branch {
  let branch = root
  for (const key of path) {
    const child = branch.children.get(key)
    const next: Branch = child !== undefined && 'kind' in child ? child : {kind: 'dict', children: new Map()}
    branch.children.set(key, next)
    branch = next
  }
  return branch
}

function nodeParts(node: Node): Segment[] {
  if ('tensor' in node) return [arrayHead(node.tensor), node.tensor, Buffer.from('tb')]
  if ('scalar' in node) return [scalar(node.scalar)]
  if (node.kind === 'dict') {
    const pairs = [...node.children].flatMap(([key, child]) => [text(key), ...nodeParts(child)])
    return [Buffer.from('}('), ...pairs, Buffer.from('u')]
  }
  const items = [...node.children]
    .sort(([a], [b]) => Number(a) - Number(b))
    .flatMap(([, child]) => nodeParts(child))
  return node.kind === 'list'
    ? [Buffer.from(']('), ...items, Buffer.from('e')]
    : [Buffer.from('('), ...items, Buffer.from('t')]
}

// The table is how paddle.load knows a state dict, so tensors without any structure get one, too.
function nameTable(outputs: readonly OutputTensor[], {nameTable: table}: Structure): Buffer[] {
  if (table === undefined) return []
  const names = outputs.filter(({path}) => path.length === 1).map(({path}) => path[0] ?? '')
  const pairs = table === 'identity' ? names.map((name) => [name, name] as const) : table
  const kept = pairs.filter(([structured]) => names.includes(structured))
  const body = kept.flatMap(([structured, parameter]) => [text(structured), text(parameter)])
  return [text(nameTableKey), Buffer.from('}('), ...body, Buffer.from('u')]
}

const numpyCodes: Readonly<Partial<Record<Dtype, string>>> = {
  BOOL: 'b1',
  U8: 'u1',
  I8: 'i1',
  I16: 'i2',
  F16: 'f2',
  BF16: 'u2', // numpy has no bfloat16: Paddle hands its bits around as uint16
  U32: 'u4',
  I32: 'i4',
  F32: 'f4',
  U64: 'u8',
  I64: 'i8',
  F64: 'f8',
  C64: 'c8',
  C128: 'c16',
}

function arrayHead(tensor: OutputTensor): Buffer {
  const {dtype, shape} = tensor
  const isOneByte = dtypeBytes[dtype] === 1
  return Buffer.concat([
    reconstruct,
    Buffer.from('(K\x01'),
    tuple(shape.map((size) => integer(size))),
    imported('numpy', 'dtype'),
    text(numpyCodes[dtype] ?? ''),
    Buffer.from([0x89, 0x88, 0x87, 0x52, 0x28, 0x4b, 3]),
    text(isOneByte ? '|' : '<'),
    Buffer.from('NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb', 'latin1'),
    Buffer.from([0x89]),
    bytesHead(tensorBytes(dtype, shape)),
  ])
}

function scalar(value: Scalar): Buffer {
  if (value === null) return Buffer.from('N')
  if (typeof value === 'boolean') return Buffer.from([value ? 0x88 : 0x89])
  if (typeof value === 'string') return text(value)
  if (typeof value === 'bigint') return bigInteger(value)
  return Number.isSafeInteger(value) && !Object.is(value, -0) ? integer(value) : double(value)
}

function double(value: number): Buffer {
  const bytes = Buffer.alloc(9, 'G')
  bytes.writeDoubleBE(value, 1)
  return bytes
}

function integer(value: number): Buffer {
  if (value >= 0 && value < 256) return Buffer.from([0x4b, value])
  if (value >= 0 && value < 65536) return Buffer.from([0x4d, value & 255, value >> 8])
  return value >= -(2 ** 31) && value < 2 ** 31 ? counted('J', 4, value) : bigInteger(BigInt(value))
}

// LONG1: two's complement, little-endian, as few bytes as hold it; eight for what would fit, as the twin in Python.
function bigInteger(value: bigint): Buffer {
  let length = 8
  while (value < -(1n << BigInt(length * 8 - 1)) || value >= 1n << BigInt(length * 8 - 1)) length++
  const hex = BigInt.asUintN(length * 8, value)
    .toString(16)
    .padStart(length * 2, '0')
  return Buffer.concat([Buffer.from([0x8a, length]), Buffer.from(hex, 'hex').reverse()])
}

function tuple(items: readonly Buffer[]): Buffer {
  const short = [')', '\x85', '\x86', '\x87'][items.length]
  const parts =
    short === undefined
      ? [Buffer.from('('), ...items, Buffer.from('t')]
      : [...items, Buffer.from(short, 'latin1')]
  return Buffer.concat(parts)
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value)
  const head = bytes.length < 256 ? Buffer.from([0x8c, bytes.length]) : counted('X', 4, bytes.length)
  return Buffer.concat([head, bytes])
}

function bytesHead(lengthBytes: number): Buffer {
  if (lengthBytes < 256) return Buffer.from([0x43, lengthBytes])
  return lengthBytes < 2 ** 32 ? counted('B', 4, lengthBytes) : counted('\x8e', 8, lengthBytes)
}

function counted(opcode: string, countBytes: 4 | 8, count: number): Buffer {
  const head = Buffer.alloc(1 + countBytes)
  head.write(opcode, 'latin1')
  if (countBytes === 8) head.writeBigUInt64LE(BigInt(count), 1)
  else head.writeUInt32LE(count >>> 0, 1)
  return head
}

function imported(module: string, name: string): Buffer {
  return Buffer.concat([text(module), text(name), Buffer.from([0x93])])
}

// numpy 2 keeps this module for the sake of such files; numpy 1 has no other.
const reconstruct = Buffer.concat([
  imported('numpy.core.multiarray', '_reconstruct'),
  imported('numpy', 'ndarray'),
  Buffer.from('K\x00\x85C\x01b\x87R', 'latin1'),
])

// Neighbouring small parts as one, so that they are written in one call.
function joined(parts: readonly Segment[]): Segment[] {
  const segments: Segment[] = []
  let small: Buffer[] = []
  for (const part of parts) {
    if (Buffer.isBuffer(part)) {
      small.push(part)
      continue
    }
    segments.push(Buffer.concat(small), part)
    small = []
  }
  return [...segments, Buffer.concat(small)]
}

function noSuchType({name, dtype}: OutputTensor): CheckpointError {
  return new CheckpointError(`"${printable(name)}" is ${dtype}, a type that Paddle files have not.`, {
    code: 'E_DTYPE',
    next: 'Convert to .safetensors.',
  })
}
