import {VilbertError} from '../../src/errors.js'
import {seededRandom} from './python.js'

export type FuzzOptions = {
  readonly seed: number
  /** Stops after this time. */
  readonly timeMs: number
  /** The longest that one mutant may take. */
  readonly slowestMs: number
}

/** How a fuzzing run went; a failure holds what is needed to repeat it. */
export type FuzzReport = {
  readonly mutants: number
  readonly accepted: number
  readonly failures: readonly string[]
}

/**
 * Feeds damaged copies of good files to a reader, the same ones for the same seed. A reader may accept or refuse;
 * anything thrown that is not one of our errors, and anything slow, is a failure.
 */
export function fuzz(
  originals: readonly Buffer[],
  read: (bytes: Buffer) => void,
  options: FuzzOptions,
): FuzzReport {
  const random = seededRandom(options.seed)
  const endMs = performance.now() + options.timeMs
  const failures: string[] = []
  let accepted = 0
  let mutants = 0
  while (performance.now() < endMs && failures.length < 5) {
    const mutant = mutate(originals, random)
    const startMs = performance.now()
    mutants++
    try {
      read(mutant)
      accepted++
    } catch (error) {
      if (!(error instanceof VilbertError)) failures.push(`mutant ${mutants}: ${stackOf(error)}`)
    }
    const tookMs = performance.now() - startMs
    if (tookMs > options.slowestMs) failures.push(`mutant ${mutants}: took ${Math.round(tookMs)} ms`)
  }
  return {mutants, accepted, failures}
}

type Random = () => number

function mutate(originals: readonly Buffer[], random: Random): Buffer {
  const below = (limit: number): number => Math.floor(random() * limit)
  const original = originals[below(originals.length)] ?? Buffer.alloc(0)
  let bytes: Buffer = Buffer.from(original)
  const changes = 1 + below(4)
  for (let change = 0; change < changes; change++) {
    bytes = mutations[below(mutations.length)]?.(bytes, below, originals) ?? bytes
  }
  return bytes
}

type Mutation = (bytes: Buffer, below: (limit: number) => number, originals: readonly Buffer[]) => Buffer

const interesting = [0, 1, 0x28, 0x2e, 0x30, 0x39, 0x5b, 0x5d, 0x63, 0x7b, 0x7f, 0x80, 0x8a, 0xff]
const interestingWords = [0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff]

const mutations: readonly Mutation[] = [
  (bytes, below) => {
    if (bytes.length > 0) bytes[below(bytes.length)] = below(256)
    return bytes
  },
  (bytes, below) => {
    const at = below(bytes.length)
    if (bytes.length > 0) bytes[at] = (bytes[at] ?? 0) ^ (1 << below(8))
    return bytes
  },
  (bytes, below) => {
    if (bytes.length > 0) bytes[below(bytes.length)] = interesting[below(interesting.length)] ?? 0
    return bytes
  },
  (bytes, below) => {
    if (bytes.length >= 4)
      bytes.writeUInt32LE(interestingWords[below(interestingWords.length)] ?? 0, below(bytes.length - 3))
    return bytes
  },
  (bytes, below) => bytes.subarray(0, below(bytes.length + 1)),
  (bytes, below) => {
    const from = below(bytes.length)
    return Buffer.concat([bytes.subarray(0, from), bytes.subarray(from + 1 + below(16))])
  },
  (bytes, below) => {
    const from = below(bytes.length)
    const piece = bytes.subarray(from, from + 1 + below(64))
    const at = below(bytes.length + 1)
    return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at)])
  },
  (bytes, below, originals) => {
    const other = originals[below(originals.length)] ?? bytes
    return Buffer.concat([
      bytes.subarray(0, below(bytes.length + 1)),
      other.subarray(below(other.length + 1)),
    ])
  },
]

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : 'something that is no Error'
}
