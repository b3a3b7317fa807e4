import {mkdir, readdir, stat, writeFile} from 'node:fs/promises'
import {existsSync} from 'node:fs'
import {join} from 'node:path'
import {setTimeout as delay} from 'node:timers/promises'
import test, {type ExecutionContext} from 'ava'
import {execa} from 'execa'
import {z} from 'zod'
import {Vilbert} from '../../src/vilbert.js'
import {cliFile, finished, jsonOf, runCli, startCli, type CliResult} from '../helpers/cli.js'
import {makeWorkplace, type Workplace} from '../helpers/damage.js'
import {startServer} from '../helpers/server.js'
import {processesLeft, processMark, python} from '../helpers/python.js'

/** As on a machine without a compiler. */
const noKernels = {VILBERT_TS_KERNELS: 'off'}
const figuresSchema = z.object({engine: z.string(), engineNote: z.string().nullable(), accuracy: z.number()})
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
    const outcome = await runCli(['predict', ...flags(place), ...question, '--engine', engine, '--json'], {
      env: noKernels,
    })
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
  const stream = await runCli(['predict', ...flags(place), '--input', lines], {env: noKernels})
  t.is(answerSchema.parse(jsonOf(stream)).engine, 'exported')
  t.is((await stat(weights)).mtimeMs, mtimeMs)
})

test('a library user hears of the export, before the expressions', async (t) => {
  const place = await makeWorkplace(t)
  await using vilbert = await Vilbert.open({python})
  const model = {config: place.config, fromPretrained: place.weights}
  const events: unknown[] = []
  for await (const event of vilbert.evaluate({
    model,
    data: {dataRoot: place.dataRoot},
    split: 'val',
    engine: 'exported',
  }))
    events.push(event)
  const exported = [0, 1, 2, 3].map((done) => ({type: 'export', done, total: 3}))
  t.deepEqual(events.slice(0, 4), exported)
  t.like(events.at(-1), {type: 'progress'})

  const told: unknown[] = []
  const loaded = await vilbert.load({
    model: {...model, cacheDir: join(place.folder, 'cache')},
    data: {dataRoot: place.dataRoot},
    engine: 'exported',
    onExportProgress: (event) => told.push(event),
  })
  t.deepEqual(told, exported)
  t.is((await loaded.predict({image: 1042, phrase: 'cat'})).engine, 'exported')
  t.is((await readdir(join(place.folder, 'cache', 'engines'))).length, 1)
})

test('serve answers by it, too', async (t) => {
  const place = await makeWorkplace(t)
  const server = await startServer([...flags(place), '--engine', 'exported'], noKernels)
  const question = {image: 1042, phrase: 'cat', topK: 1, attention: true, leaveOut: true}
  const answer = await fetch(`${server.url}/api/v1/predict`, {
    method: 'POST',
    headers: {'content-type': 'application/json'},
    body: JSON.stringify(question),
  })
  t.is(answer.status, 200)
  const {regions} = z.object({regions: z.array(z.unknown())}).parse(await answer.json())
  t.is(regions.length, 1)
  t.is((await readdir(enginesOf(place))).length, 1)
  t.is(await server.stop(), 130)
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

test('files that may not grow end an export in a sentence, and leave nothing', async (t) => {
  const {failed} = await execa('prlimit', ['--version'], {reject: false})
  if (failed) {
    t.log('skipped: there is no prlimit')
    t.pass()
    return
  }
  const place = await makeWorkplace(t)
  await evaluated(t, place, ['--engine', 'stock'])
  const command = ['--fsize=1000000', process.execPath, cliFile, ...evalArgs(place, ['--engine', 'exported'])]
  const {stdout, exitCode} = await execa('prlimit', command, {reject: false, env: {NODE_ENV: ''}})
  t.is(exitCode, 4, stdout)
  t.regex(stdout, /The exported engine cannot be written to .*engines: /)
  t.deepEqual(await readdir(enginesOf(place)), [])
})

test('Ctrl-C during an export ends it in order', async (t) => {
  const place = await makeWorkplace(t)
  const mark = processMark()
  const program = startCli(evalArgs(place, ['--engine', 'exported']), {env: mark.env})
  while (!(existsSync(enginesOf(place)) && (await readdir(enginesOf(place))).length > 0)) await delay(5)
  program.kill('SIGINT')
  const end = await finished(program)
  t.is(end.exitCode, 130, end.stdout + end.stderr)
  t.like(jsonOf(end), {error: {code: 'E_INTERRUPTED'}})
  t.deepEqual(await processesLeft(mark, 500), [])
  t.is((await evaluated(t, place, ['--engine', 'exported'])).engine, 'exported')
  t.deepEqual(
    (await readdir(enginesOf(place))).filter((name) => name.startsWith('.')),
    [],
  )
})

function enginesOf({folder}: Workplace): string {
  return join(folder, '.vilbert-ts', 'engines')
}

function flags({dataRoot, config, weights}: Workplace): string[] {
  return ['--data-root', dataRoot, '--config', config, '--from-pretrained', weights]
}

function evalArgs(place: Workplace, more: readonly string[]): string[] {
  return ['eval', ...flags(place), ...more, '--json']
}

/** The figures of an evaluation that has to succeed where there are no kernels. */
async function evaluated(
  t: ExecutionContext,
  place: Workplace,
  more: readonly string[],
): Promise<z.infer<typeof figuresSchema>> {
  const outcome: CliResult = await runCli(evalArgs(place, more), {env: noKernels})
  t.is(outcome.exitCode, 0, outcome.stdout + outcome.stderr)
  return figuresSchema.parse(jsonOf(outcome))
}
