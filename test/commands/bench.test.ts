import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import test from 'ava'
import {z} from 'zod'
import {benchReplySchema} from '../../src/bench/result.js'
import {smallBench} from '../helpers/bench.js'
import {jsonOf, runCli} from '../helpers/cli.js'
import {golden, temporaryFolder} from '../helpers/golden.js'

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

test('bench with a trained model holds real data against it; a command that fails ends in a sentence', async (t) => {
  const weights = [
    '--config',
    join(golden, 'config.json'),
    '--from-pretrained',
    join(golden, 'weights.pdparams'),
  ]
  const place = ['--data-root', join(golden, 'data-root'), '--cache-dir', await temporaryFolder(t)]
  const quick = ['bench', '--only', 'eval', '--profiles', 'sparse', '--rounds', '1', '--json']
  const measured = await runCli([...quick, ...weights, ...place])
  t.is(measured.exitCode, 0, measured.stdout)
  const {measurements, agreement} = resultSchema.parse(jsonOf(measured))
  t.true(measurements.some(({side}) => side === 'baseline'))
  for (const {sameRegion} of agreement) t.true(sameRegion >= 0 && sameRegion <= 1)

  const alone = await runCli([...quick, ...weights, '--no-baseline'])
  const ours = resultSchema.parse(jsonOf(alone)).measurements
  t.true(ours.every(({timesBaseline, side}) => timesBaseline === null && side !== 'baseline'))

  const failing = await runCli([...quick, ...weights, '--no-baseline', '--compare-cmd', 'exit 3'])
  t.is(failing.exitCode, 3, failing.stdout)
  t.regex(failing.stdout, /The command exit 3 to compare with ended with exit code 3/)
})
