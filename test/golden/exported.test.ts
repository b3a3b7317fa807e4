import {mkdir, readdir, stat, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import test from 'ava'
import {z} from 'zod'
import {jsonOf, runCli} from '../helpers/cli.js'
import {makeWorkplace} from '../helpers/damage.js'
import {enginesOf, evalArgs, evaluated, modelFlags, noKernels} from '../helpers/exported.js'

const answerSchema = z.object({engine: z.string(), regions: z.array(z.object({index: z.number()}))})

test('an engine is made once, beside the checkpoint, and taken where there are no kernels and many questions', async (t) => {
  const place = await makeWorkplace(t)
  const made = await evaluated(t, place, ['--engine', 'exported'])
  t.is(made.engine, 'exported')
  const [key = '', ...others] = await readdir(enginesOf(place))
  t.deepEqual(others, [])
  const weights = join(enginesOf(place), key, 'graph.pdiparams')
  const {mtimeMs} = await stat(weights)
  t.deepEqual(await evaluated(t, place, ['--engine', 'exported']), made)
  t.is((await stat(weights)).mtimeMs, mtimeMs)

  const question = ['--image', '1042', '--phrase', 'cat']
  const answers = []
  for (const engine of ['auto', 'exported', 'stock']) {
    const outcome = await runCli(
      ['predict', ...modelFlags(place), ...question, '--engine', engine, '--json'],
      {
        env: noKernels,
      },
    )
    t.is(outcome.exitCode, 0, outcome.stdout + outcome.stderr)
    answers.push(answerSchema.parse(jsonOf(outcome)))
  }
  t.deepEqual(
    answers.map(({engine}) => engine),
    ['stock', 'exported', 'stock'],
  )
  const [regions] = answers.map((answer) => answer.regions.map(({index}) => index))
  for (const answer of answers)
    t.deepEqual(
      answer.regions.map(({index}) => index),
      regions,
    )
  const lines = join(place.folder, 'lines.jsonl')
  await writeFile(lines, '{"image": 1042, "phrase": "cat"}')
  const stream = await runCli(['predict', ...modelFlags(place), '--input', lines], {env: noKernels})
  t.is(answerSchema.parse(jsonOf(stream)).engine, 'exported')
  t.is((await stat(weights)).mtimeMs, mtimeMs)
})

test('what cannot be used is refused in a sentence', async (t) => {
  const place = await makeWorkplace(t)
  const kernels = await runCli(evalArgs(place, ['--engine', 'kernels']), {env: noKernels})
  t.is(kernels.exitCode, 5)
  t.like(jsonOf(kernels), {
    error: {message: 'The kernels cannot be used here: VILBERT_TS_KERNELS=off switches them off.'},
  })
  const several = await runCli(evalArgs(place, ['--engine', 'exported', '--nproc', '2']))
  t.is(several.exitCode, 3)
  t.like(jsonOf(several), {error: {message: 'The exported engine computes in one process.'}})
  await mkdir(join(place.folder, '.vilbert-ts'))
  await writeFile(enginesOf(place), 'no folder')
  const unwritable = await runCli(evalArgs(place, ['--engine', 'exported']))
  t.is(unwritable.exitCode, 4)
  t.regex(unwritable.stdout, /The exported engine cannot be written to .*engines: File exists\./)
  t.regex(unwritable.stdout, /Pass --cache-dir/)
})
