import type {ConvertResult} from '../checkpoint/convert.js'
import type {CheckpointDiff} from '../checkpoint/diff.js'
import type {InspectedTensor, Inspection} from '../checkpoint/inspect.js'
import type {CheckOutcome, Metadata} from '../checkpoint/metadata.js'
import {printable} from '../errors.js'
import {table} from './table.js'

/** A checkpoint for people: a few lines about the whole, then a row for each tensor. */
export function inspectionText(inspection: Inspection): string {
  const {file, container, tensors, numbers, metadata} = inspection
  const types = Object.entries(inspection.dtypes).map(([dtype, count]) => `${count} ${dtype}`)
  const facts: (readonly [string, string])[] = [
    ['file', `${printable(file, 300)} (${container}, ${mebibytes(inspection.sizeBytes)})`],
    ['tensors', `${tensors.length} (${types.join(', ') || 'none'}), ${numbers.toLocaleString('en')} numbers`],
    ...inspection.scalars.map(
      ({path, value}) => [printable(path.join('/')), printable(JSON.stringify(value))] as const,
    ),
    ['JSON', stateText[inspection.metadataState]],
    ...(metadata === null ? [] : metadataFacts(metadata)),
  ]
  return `${table(facts)}\n\n${tensorTable(tensors)}`
}

const stateText = {
  missing: 'none',
  current: 'describes this very file',
  stale: 'is of another version of this file: saving may have been interrupted',
} as const

function metadataFacts(metadata: NonNullable<Inspection['metadata']>): (readonly [string, string])[] {
  const {producer, source, history, metrics, training} = metadata
  const shown = (value: unknown): string => printable(JSON.stringify(value), 300)
  return [
    [
      'written by',
      printable(
        Object.entries(producer)
          .map((pair) => pair.join(' '))
          .join(', '),
        300,
      ),
    ],
    ...(source === null ? [] : [['made from', sourceText(source)] as const]),
    ...history.map(({at, check}) => ['converted', `${printable(at)}${checkText(check)}`] as const),
    ...(training === null ? [] : [['training', shown(training)] as const]),
    ...(metrics === null ? [] : [['metrics', shown(metrics)] as const]),
  ]
}

function sourceText({file, sizeBytes, sha256}: NonNullable<Metadata['source']>): string {
  return `${file}, ${sizeBytes} bytes${sha256 === null ? '' : `, sha256 ${sha256}`}`
}

function checkText(check: CheckOutcome | null): string {
  return check === null ? '' : `, outputs checked: largest difference ${short(check.largestDifference)}`
}

function tensorTable(tensors: readonly InspectedTensor[]): string {
  const hasStats = tensors.some(({stats}) => stats !== undefined)
  const heading = [
    'name',
    'type',
    'shape',
    ...(hasStats ? ['min', 'max', 'mean', 'std', 'zeros', 'not finite'] : []),
  ]
  const rows = tensors.map(({name, dtype, shape, stats}) => [
    printable(name, 300),
    dtype,
    `[${shape.join(', ')}]`,
    ...(stats === undefined
      ? []
      : [
          ...[stats.min, stats.max, stats.mean, stats.std].map(number),
          String(stats.zeros),
          String(stats.nonFinite),
        ]),
  ])
  return table([heading, ...rows])
}

function short(value: number): string {
  return String(Number(value.toPrecision(3)))
}

function number(value: number | null): string {
  return value === null ? '-' : value.toPrecision(4)
}

/** What a conversion did. */
export function conversionText(result: ConvertResult & {readonly check: CheckOutcome | null}): string {
  const {renamed, transposed, dropped, missing, check} = result
  const lines = [
    `${printable(result.payload, 300)}: ${result.tensors} tensors, ${mebibytes(result.sizeBytes)}`,
    `${printable(result.metadata, 300)}: what it holds and where it comes from`,
    ...(renamed + transposed > 0 ? [`${renamed} tensors renamed, ${transposed} transposed`] : []),
    ...(dropped.length > 0 ? [`${dropped.length} left out: ${some(dropped)}`] : []),
    ...(missing.length > 0 ? [`${missing.length} of the model are not in the file: ${some(missing)}`] : []),
    ...(check === null ? [] : [`largest difference of any output: ${short(check.largestDifference)}`]),
  ]
  return lines.join('\n')
}

/** How two checkpoints differ. */
export function diffText({
  equal,
  onlyInA,
  onlyInB,
  tensors,
  compared,
  maxAbsDifference,
}: CheckpointDiff): string {
  if (equal) return `equal: ${compared} tensors, largest difference ${maxAbsDifference}`
  const rows = tensors.map(({name, a, b, maxAbsDifference: largest, differing}) => [
    printable(name, 300),
    `${a.dtype} [${a.shape.join(', ')}]`,
    a.dtype === b.dtype && a.shape.join() === b.shape.join() ? 'same' : `${b.dtype} [${b.shape.join(', ')}]`,
    largest === null ? '-' : largest.toPrecision(4),
    differing === null ? '-' : String(differing),
  ])
  return [
    ...onlyInA.map((name) => `only in the first: ${printable(name, 300)}`),
    ...onlyInB.map((name) => `only in the second: ${printable(name, 300)}`),
    ...(rows.length > 0
      ? [table([['name', 'first', 'second', 'largest difference', 'numbers that differ'], ...rows])]
      : []),
    `${tensors.length} of ${compared} common tensors differ`,
  ].join('\n')
}

const shownNames = 5

function some(names: readonly string[]): string {
  const shown = names.slice(0, shownNames).map((name) => printable(name, 120))
  return `${shown.join(', ')}${names.length > shownNames ? `, … (${names.length})` : ''}`
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`
}
