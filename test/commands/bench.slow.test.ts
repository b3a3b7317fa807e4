import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import test from 'ava'
import {z} from 'zod'
import {benchReplySchema} from '../../src/bench/result.js'
import {smallBench} from '../helpers/bench.js'
import {jsonOf, runCli} from '../helpers/cli.js'
import {temporaryFolder} from '../helpers/golden.js'

const resultSchema = benchReplySchema.extend({
  outside: z.array(z.object({command: z.string(), runs: z.number(), medianSeconds: z.number()})),
})

test('bench measures both sides of every section, times an outside command and draws what it measured', async (t) => {
  const svg = join(await temporaryFolder(t), 'bench.svg')
  const outside = ['--compare-cmd', 'sleep 0.2']
  const outcome = await runCli([...smallBench, ...outside, '--svg', svg], {timeoutMs: 120_000})
  t.is(outcome.exitCode, 0, outcome.stdout)
  const result = resultSchema.parse(jsonOf(outcome))
  const sides = new Set(result.measurements.map(({section, side}) => `${section} ${side}`))
  for (const section of ['eval', 'train', 'data', 'memory'])
    t.true(sides.has(`${section} fp32`) && sides.has(`${section} baseline`), section)
  t.true(result.measurements.some(({profile, side}) => side === 'fp32' && profile.endsWith(', recompute')))
  for (const {least, median, most, section, side, timesBaseline} of result.measurements) {
    t.true(least > 0 && least <= median && median <= most, section)
    if (side === 'baseline') t.is(timesBaseline, 1)
  }
  t.deepEqual(result.batchSizes, {eval: 4, train: 4})
  t.true(result.parameters > 1_000_000)
  const [command] = result.outside
  t.true(command !== undefined && command.runs === 2 && command.medianSeconds >= 0.2)
  const chart = await readFile(svg, 'utf8')
  const drawn = result.measurements.filter(
    ({side, timesBaseline}) => side !== 'baseline' && timesBaseline !== null,
  )
  t.is(chart.match(/<rect /g)?.length, drawn.length)

  const ours = result.measurements.filter(({section, engine}) => section === 'train' && engine === 'kernels')
  t.is(result.steps.length, ours.length)
  const again = await runCli([...smallBench, '--only', 'train', '--no-baseline', '--recompute'])
  const recomputing = resultSchema.parse(jsonOf(again)).measurements
  t.is(recomputing.length, ours.length)
  t.true(recomputing.every(({engine}) => engine.endsWith(', recompute')))
  for (const {msPerStep, parts, stepGflops, productGflops} of result.steps) {
    const sum = parts.reduce((total, {ms}) => total + ms, 0)
    t.true(Math.abs(sum - msPerStep) < 1e-6 * msPerStep, `${sum} for ${msPerStep}`)
    t.true(stepGflops > 0 && stepGflops < productGflops)
  }
})
