import {mkdir, mkdtemp, readdir, rm, stat} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import test, {type ExecutionContext} from 'ava'
import {execa} from 'execa'
import {packageRoot} from '../../src/paths.js'
import {jsonOf, runCli, type CliResult} from '../helpers/cli.js'
import {python, pythonFixtures} from '../helpers/python.js'

type Trained = {
  readonly steps: number
  readonly best: {readonly epoch: number; readonly valAccuracy: number}
  readonly weights: string
}

let folder: string
let dataRoot: string
let trained: Trained

// One world and one training for all of them.
test.before('train.ts trains, with one line that says how far it is', async (t) => {
  t.timeout(300_000)
  folder = await mkdtemp(join(tmpdir(), 'vilbert-ts-examples-'))
  dataRoot = join(folder, 'world')
  const synth = ['data', 'synth', '--python', python, '--output', dataRoot, '--images', '60', '--seed', '5']
  t.is((await runCli(synth)).exitCode, 0)
  const {result, stderr} = await runExample(t, 'train', [dataRoot, join(folder, 'run'), '2'])
  trained = result as Trained
  const [progress = ''] = stderr.split('\n')
  const steps = progress.split('\r').slice(1)
  t.regex(steps.at(-1) ?? '', new RegExp(`^step ${trained.steps} of ${trained.steps}, loss \\d+\\.\\d{3}$`))
  t.is(trained.weights, join(folder, 'run', 'best.pdparams'))
  t.true((await stat(trained.weights)).size > 1e6)
})

test.after.always(() => rm(folder, {recursive: true, force: true}))

test.serial('evaluate.ts gives the accuracy that training saw, and the one without the words', async (t) => {
  const {result, stderr} = await runExample(t, 'evaluate', [trained.weights, dataRoot])
  const {accuracy, correct, total, withoutWords} = result as Record<string, number>
  t.is(accuracy, trained.best.valAccuracy)
  t.is(accuracy, (correct ?? 0) / (total ?? 0))
  const model = ['--from-pretrained', trained.weights, '--data-root', dataRoot]
  const ablated = await runCli(['eval', '--python', python, ...model, '--ablate', 'text', '--json'])
  t.is((jsonOf(ablated) as {accuracy: number}).accuracy, withoutWords ?? -1)
  t.regex(stderr, /^(\r\d+ of \d+ expressions)*\n+$/)
})

test.serial('predict-batch.ts answers each line in its place, those that it cannot answer too', async (t) => {
  const [image = ''] = await readdir(join(dataRoot, 'images/mscoco/images/train2014'))
  const questions = [
    {image, phrase: 'red circle', id: 'a'},
    {image: 999_999, phrase: 'red circle', id: 'b'},
    {image, phrase: 'the left one', id: 3},
  ]
  const input = questions.map((question) => `${JSON.stringify(question)}\n`).join('')
  const {stdout} = await runExample(t, 'predict-batch', [trained.weights, dataRoot], input)
  const answers = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as {id: unknown; box?: number[]; score?: number; error?: string})
  t.deepEqual(
    answers.map(({id}) => id),
    ['a', 'b', 3],
  )
  t.regex(answers[1]?.error ?? '', /^Image 999999 has no region features/)
  for (const {box = [], score = -1} of [answers[0] ?? {}, answers[2] ?? {}]) {
    t.is(box.length, 4)
    t.true(score > 0 && score < 1)
  }
})

test.serial('watch.ts prints the events and stops in order, so that the run can go on', async (t) => {
  const outputDir = join(folder, 'watched')
  const {stdout} = await runExample(t, 'watch', [dataRoot, outputDir, '0'])
  const events = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as {type: string; epoch?: number; step?: number})
  t.is(events[0]?.type, 'start')
  t.like(events.at(-1), {type: 'epoch', epoch: 1})
  const more = ['--max-steps', `${(events.at(-1)?.step ?? 0) + 1}`]
  const resumed = await runCli(['train', '--python', python, '--resume', outputDir, ...more, '--json'])
  t.is(resumed.exitCode, 0, resumed.stdout)
})

test.serial(
  'convert.ts writes half of the bytes, and the outputs differ by what float16 costs',
  async (t) => {
    const output = join(folder, 'model.safetensors')
    const {result} = await runExample(t, 'convert', [trained.weights, output])
    const {sizeBytes, largestDifference, dropped} = result as Record<string, number>
    t.is(sizeBytes, (await stat(output)).size)
    t.true((sizeBytes ?? 0) < 0.51 * (await stat(trained.weights)).size)
    t.true((largestDifference ?? 1) > 0 && (largestDifference ?? 1) < 0.05, `${largestDifference ?? 0}`)
    t.true((dropped ?? 0) >= 0)
  },
)

test.serial('own-data.ts imports lines and features, says what can be answered, and trains', async (t) => {
  const own = join(folder, 'own')
  await mkdir(own)
  await execa(python, [join(pythonFixtures, 'export_own.py'), dataRoot, own])
  const args = [join(own, 'own.jsonl'), join(own, 'detected'), join(folder, 'mine'), '1']
  const {result, stderr} = await runExample(t, 'own-data', args)
  t.regex(stderr, /^train: \d+ sentences, of which \d+ can be answered$/m)
  t.like(result, {images: 60, best: {epoch: 1}})
  t.true((await stat((result as Trained).weights)).size > 1e6)
})

/** Runs an example as a user does, and reads the last line that it prints. */
async function runExample(
  t: ExecutionContext,
  name: string,
  args: readonly string[],
  input?: string,
): Promise<Pick<CliResult, 'stdout' | 'stderr'> & {readonly result: unknown}> {
  const script = join(packageRoot, 'dist', 'test', 'examples', `${name}.js`)
  const run = await execa(process.execPath, [script, ...args], {
    ...{env: {NODE_ENV: ''}, timeout: 200_000, reject: false},
    ...(input !== undefined && {input}),
  })
  t.is(run.exitCode, 0, `${name}: ${run.stderr}`)
  const {stdout, stderr} = run
  return {stdout, stderr: `${stderr}\n`, result: JSON.parse(stdout.split('\n').at(-1) ?? '')}
}
