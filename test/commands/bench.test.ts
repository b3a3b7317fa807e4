import {join} from 'node:path'
import test from 'ava'
import {benchReplySchema} from '../../src/bench/result.js'
import {jsonOf, runCli} from '../helpers/cli.js'
import {golden, temporaryFolder} from '../helpers/golden.js'

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
  const {measurements, agreement} = benchReplySchema.parse(jsonOf(measured))
  t.true(measurements.some(({side}) => side === 'baseline'))
  for (const {sameRegion} of agreement) t.true(sameRegion >= 0 && sameRegion <= 1)

  const alone = await runCli([...quick, ...weights, '--no-baseline'])
  const ours = benchReplySchema.parse(jsonOf(alone)).measurements
  t.true(ours.every(({timesBaseline, side}) => timesBaseline === null && side !== 'baseline'))

  const failing = await runCli([...quick, ...weights, '--no-baseline', '--compare-cmd', 'exit 3'])
  t.is(failing.exitCode, 3, failing.stdout)
  t.regex(failing.stdout, /The command exit 3 to compare with ended with exit code 3/)
})
