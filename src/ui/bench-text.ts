import type {BenchResult, Measurement} from '../bench/result.js'
import {table} from './table.js'

/** All measurements as a table, with what they were measured on above it. */
export function benchText(result: BenchResult): string {
  return [
    ...headLines(result),
    '',
    table([
      ['what', 'regions', 'side', 'engine', 'median', 'range', 'unit', 'times the baseline'],
      ...result.measurements.map(row),
    ]),
    ...result.agreement.map(
      ({what, expressions, sameRegion, accuracyFp32, accuracyBf16}) =>
        `${what}: bf16 chooses the region of fp32 in ${percent(sameRegion)} of ${expressions} expressions, ` +
        `accuracy ${percent(accuracyBf16)} against ${percent(accuracyFp32)}`,
    ),
    ...result.outside.map(
      ({command, runs, medianSeconds, leastSeconds, mostSeconds}) =>
        `${command}: median ${medianSeconds.toFixed(3)} s of ${runs} runs ` +
        `(${leastSeconds.toFixed(3)} to ${mostSeconds.toFixed(3)} s)`,
    ),
  ].join('\n')
}

function headLines({machine, parameters, rounds, batchSizes}: BenchResult): string[] {
  const {processor, threads, loadAverage, device} = machine
  const load = `load ${loadAverage.toFixed(1)}`
  const model = parameters > 0 ? [`model of ${(parameters / 1e6).toFixed(1)} M numbers`] : []
  return [
    `${processor || 'unknown processor'}, ${device}, ${threads} threads, ${load}`,
    [
      ...model,
      `batches of ${batchSizes.eval} (eval) and ${batchSizes.train} (train)`,
      `${rounds} rounds`,
    ].join(', '),
  ]
}

function row({
  section,
  profile,
  side,
  engine,
  median,
  least,
  most,
  unit,
  timesBaseline,
}: Measurement): string[] {
  const range = least === most ? '' : `${figure(least)} to ${figure(most)}`
  const times = timesBaseline === null ? '' : `${timesBaseline.toFixed(2)}×`
  return [section, profile, side, engine, figure(median), range, unit, times]
}

/** Three digits that count, whole numbers from 100 on. */
function figure(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3)
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`
}
