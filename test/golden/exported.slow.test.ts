import {existsSync} from 'node:fs'
import {readdir} from 'node:fs/promises'
import {join} from 'node:path'
import {setTimeout as delay} from 'node:timers/promises'
import test from 'ava'
import {execa} from 'execa'
import {z} from 'zod'
import {benchReplySchema} from '../../src/bench/result.js'
import {Vilbert} from '../../src/vilbert.js'
import {smallBench} from '../helpers/bench.js'
import {cliFile, finished, jsonOf, runCli, startCli} from '../helpers/cli.js'
import {makeWorkplace} from '../helpers/damage.js'
import {enginesOf, evalArgs, evaluated, modelFlags, noKernels} from '../helpers/exported.js'
import {hasPrlimit} from '../helpers/prlimit.js'
import {processesLeft, processMark, python} from '../helpers/python.js'
import {startServer} from '../helpers/server.js'

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
  const server = await startServer([...modelFlags(place), '--engine', 'exported'], noKernels)
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

test('files that may not grow end an export in a sentence, and leave nothing', async (t) => {
  if (!(await hasPrlimit(t))) return
  const place = await makeWorkplace(t)
  await evaluated(t, place, ['--engine', 'stock'])
  const command = ['--fsize=1000000', process.execPath, cliFile, ...evalArgs(place, ['--engine', 'exported'])]
  const {stdout, exitCode} = await execa('prlimit', command, {reject: false, env: {NODE_ENV: ''}})
  t.is(exitCode, 4, stdout)
  t.regex(stdout, /The exported engine cannot be written to .*engines: /)
  t.deepEqual(await readdir(enginesOf(place)), [])
})

test('bench measures the exported engine, by itself', async (t) => {
  const args = [...smallBench, '--engine', 'exported']
  const outcome = await runCli([...args, '--only', 'eval'], {timeoutMs: 120_000})
  t.is(outcome.exitCode, 0, outcome.stdout)
  const {measurements} = benchReplySchema.parse(jsonOf(outcome))
  t.deepEqual(
    measurements
      .filter(({side}) => side !== 'bf16')
      .map(({section, side, engine}) => [section, side, engine]),
    [
      ['eval', 'fp32', 'exported'],
      ['eval', 'baseline', 'published'],
    ],
  )
  const refused = await runCli(args)
  t.is(refused.exitCode, 3)
  t.like(jsonOf(refused), {error: {message: 'The exported engine is measured without training.'}})
})
