import type {BenchResult, Measurement, StepParts} from '../bench/result.js'
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
    ...result.steps.map(stepText),
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

/** The parts of a step as shares of its time, the largest first. */
function stepText({profile, side, msPerStep, parts, ...rates}: StepParts): string {
  const shares = parts
    .toSorted((one, other) => other.ms - one.ms)
    .map(({name, ms}) => `${name} ${((100 * ms) / msPerStep).toFixed(0)} %`)
  return (
    `\ntrain, ${profile}, ${side}: a step of ${figure(msPerStep)} ms\n  ${shares.join(', ')}\n` +
    `  products at ${rates.productGflops.toFixed(0)} GFLOP/s, over the whole step ${rates.stepGflops.toFixed(0)}, ` +
    `which is ${percent(rates.stepGflops / rates.machineGflops)} of the ${rates.machineGflops.toFixed(0)} that one ` +
    'large product reaches'
  )
}

/** Three digits that count, whole numbers from 100 on. */
function figure(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3)
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`
}
