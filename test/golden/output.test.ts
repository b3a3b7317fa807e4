import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import test, {type ExecutionContext} from 'ava'
import {jsonOf, runCli} from '../helpers/cli.js'
import {changeJson, makeWorkplace} from '../helpers/damage.js'
import {temporaryFolder} from '../helpers/golden.js'
import {pythonFixtures} from '../helpers/python.js'

test.serial('eval --json answers with one document whatever Python prints', async (t) => {
  const place = await makeWorkplace(t)
  const rows = join(place.folder, 'rows.json')
  const model = ['--config', place.config, '--from-pretrained', place.weights]
  const args = ['eval', '--data-root', place.dataRoot, ...model, '--results', rows, '--json']
  t.like(await noisy(t, args), {split: 'val', total: 10})
  const loud = await readFile(rows, 'utf8')
  t.is((await runCli(args)).exitCode, 0)
  t.is(await readFile(rows, 'utf8'), loud)
})

test.serial('predict --json answers with one document whatever Python prints', async (t) => {
  const place = await makeWorkplace(t)
  const model = ['--config', place.config, '--from-pretrained', place.weights]
  const question = ['--image', '1042', '--phrase', 'red giraffe']
  const args = ['predict', '--data-root', place.dataRoot, ...model, ...question, '--json']
  t.like(await noisy(t, args), {image: 1042, phrase: 'red giraffe'})
})

test.serial('train --json answers with one document whatever Python prints', async (t) => {
  const place = await makeWorkplace(t)
  const run = ['--output-dir', join(place.folder, 'run'), '--epochs', '1', '--batch-size', '8']
  const args = ['train', '--data-root', place.dataRoot, '--config', place.config, ...run, '--json']
  t.like(await noisy(t, args), {epochs: 1})
})

test.serial('data synth --json answers with one document whatever Python prints', async (t) => {
  const output = join((await makeWorkplace(t)).folder, 'synth')
  t.like(await noisy(t, ['data', 'synth', '--output', output, '--images', '8', '--json']), {images: 8})
})

test.serial('a failure with --json is one document whatever Python prints', async (t) => {
  const place = await makeWorkplace(t)
  // Weights that do not fit: Python finds that.
  await changeJson(place.config, (value) => (value['v_intermediate_size'] = 40))
  const model = ['--config', place.config, '--from-pretrained', place.weights]
  const question = ['--image', '1042', '--phrase', 'it', '--json']
  const args = ['predict', '--data-root', place.dataRoot, ...model, ...question]
  t.like(await noisy(t, args, 4), {error: {exitCode: 4}})
})

test.serial('without --json a failure leaves stdout empty', async (t) => {
  const place = await makeWorkplace(t)
  const model = ['--config', place.config, '--from-pretrained', place.weights]
  const args = ['predict', '--data-root', place.dataRoot, ...model, '--image', '1', '--phrase', 'it']
  const {stdout, stderr, exitCode} = await runCli(args)
  t.deepEqual([stdout, exitCode], ['', 4])
  t.regex(stderr, /^Error: Image 1 has no region features in [^\n]+\.\nNext: [^\n]+\n$/)
})

/** Runs the command line with a Python that talks, and DEBUG on; gives the one document on stdout. */
async function noisy(t: ExecutionContext, args: readonly string[], exitCode = 0): Promise<object> {
  const log = join(await temporaryFolder(t), 'noise.log')
  const outcome = await runCli(args, {
    env: {PYTHONPATH: join(pythonFixtures, 'noisy'), NOISE_LOG: log, DEBUG: '*'},
  })
  t.is(outcome.exitCode, exitCode, outcome.stdout + outcome.stderr.slice(-2000))
  t.true(outcome.stdout.startsWith('{') && outcome.stdout.endsWith('}\n'))
  t.regex(await readFile(log, 'utf8').catch(() => ''), /^start$/m, 'Python did not talk')
  return jsonOf(outcome) as object
}
