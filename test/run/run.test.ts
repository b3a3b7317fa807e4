import {
  appendFile,
  copyFile,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  truncate,
  writeFile,
} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {dirname, join} from 'node:path'
import test, {type ExecutionContext} from 'ava'
import {execa} from 'execa'
import {loadConfig} from '../../src/config/load.js'
import {isMarkedRunning, markRunning} from '../../src/run/running-mark.js'
import type {RunList} from '../../src/run/list.js'
import type {PrunePlan} from '../../src/run/prune.js'
import {verifyRun} from '../../src/run/verify-run.js'
import {RunCatalogue} from '../../src/serve/run-catalogue.js'
import {Vilbert} from '../../src/vilbert.js'
import {jsonOf, runCli} from '../helpers/cli.js'
import {changeJson} from '../helpers/damage.js'
import {golden, temporaryFolder} from '../helpers/golden.js'
import {python} from '../helpers/python.js'

let shared = ''

// Trained once; a test that changes something has a copy.
test.before('a run of three epochs is trained that keeps its states', async (t) => {
  shared = await mkdtemp(join(tmpdir(), 'vilbert-ts-test-'))
  const outputDir = join(shared, 'runs', 'deep', 'first')
  const dataRoot = join(shared, 'data')
  await cp(join(golden, 'data-root'), dataRoot, {recursive: true})
  const flags = {'output-dir': outputDir, epochs: 3, 'batch-size': 8, 'save-every-steps': 2, keep: 20}
  const {training, model: config} = await loadConfig({file: join(golden, 'config.json'), flags})
  await using vilbert = await Vilbert.open({python})
  const provenance = {command: ['a', 'program'], origin: {'training.epochs': '--epochs'}}
  const run = vilbert.train({model: {config}, data: {dataRoot}, training, provenance})
  for await (const {type} of run) if (type === 'epoch') t.true(await isMarkedRunning(outputDir))
  t.false(await isMarkedRunning(outputDir))
})

test.after.always('it goes', () => rm(shared, {recursive: true, force: true}))

test('run list tells of each run below a folder how far and how good it is', async (t) => {
  const {runs, first} = await copied(t)
  await mkdir(join(runs, 'strange'))
  await writeFile(join(runs, 'strange', 'run.json'), '{}')
  const {runs: found, unreadable} = jsonOf(await runCli(['run', 'list', runs, '--json'])) as RunList
  t.is(found.length, 1)
  t.like(found[0], {name: 'first', folder: first, progress: 'finished', epochs: 3, plannedEpochs: 3})
  const log = (await readFile(join(first, 'metrics.jsonl'), 'utf8')).trimEnd().split('\n')
  const lines = log.map((line) => JSON.parse(line) as {type: string; valAccuracy: number})
  const accuracies = lines.filter(({type}) => type === 'epoch').map(({valAccuracy}) => valAccuracy)
  t.is(found[0]?.best?.valAccuracy, Math.max(...accuracies))
  t.is(found[0]?.steps, lines.filter(({type}) => type === 'step').length)
  t.regex(unreadable[0]?.problem ?? '', /does not describe a training run/)
  const {stdout} = await runCli(['run', 'list', runs])
  t.regex(stdout, /first +finished +3 of 3 +\d+\.\d\d % \(epoch \d\)/)
  t.is((await runCli(['run', 'list', join(runs, 'none')])).exitCode, 4)
})

test('run show gives the settings with where each came from', async (t) => {
  const {first} = await copied(t)
  const {stdout, exitCode} = await runCli(['run', 'show', first])
  t.is(exitCode, 0)
  t.regex(stdout, /^training\.epochs +3 +--epochs$/m)
  t.regex(stdout, /^command +a program$/m)
  t.like(jsonOf(await runCli(['run', 'show', first, '--json'])), {
    summary: {progress: 'finished'},
    run: {origin: {'training.epochs': '--epochs'}},
  })
})

test('run list and serve agree: a run is running, interrupted or empty', async (t) => {
  const {runs, first} = await copied(t)
  const progress = async () => {
    const list = jsonOf(await runCli(['run', 'list', runs, '--json'])) as RunList
    const [served] = await new RunCatalogue(dirname(first)).list()
    t.is(served?.state, list.runs[0]?.progress)
    return served?.state
  }
  t.is(await progress(), 'finished')
  const states = await statesOf(first)
  await rm(join(first, 'states', states[0] ?? ''), {recursive: true})
  t.is(await progress(), 'interrupted')
  const mark = await markRunning(first)
  t.is(await progress(), 'running')
  const markFile = join(first, '.running.json')
  const text = await readFile(markFile, 'utf8')
  await mark[Symbol.asyncDispose]()
  await rm(join(first, 'states'), {recursive: true})
  t.is(await progress(), 'empty')

  const ended = execa('true')
  await ended
  const marked = JSON.parse(text) as {pid: number; start: string}
  for (const left of [
    {...marked, pid: ended.pid},
    // The number of the process that is gone belongs to another one now.
    {...marked, start: String(Number(marked.start) - 1)},
  ]) {
    await writeFile(markFile, JSON.stringify(left))
    t.is(await progress(), 'empty')
  }
  await writeFile(markFile, JSON.stringify({...marked, host: 'another machine'}))
  t.is(await progress(), 'running', 'its log is fresh, which is all that can be known of another machine')
})

test('run verify finds nothing wrong with a whole run', async (t) => {
  const {first} = await copied(t)
  const {stdout, exitCode} = await runCli(['run', 'verify', first])
  t.is(exitCode, 0, stdout)
  t.regex(stdout, /: good, \d+ files of tensors and \d+ states are whole and agree\n$/)
})

const damages: readonly {
  readonly what: string
  readonly damage: (first: string, states: readonly string[]) => Promise<unknown>
  readonly file: RegExp
  readonly message: RegExp
}[] = [
  {
    what: 'a changed number of the weights',
    damage: (first, [newest]) => flipByte(join(first, 'states', newest ?? '', 'weights.pdparams'), 5000),
    file: /(weights|last)\.pdparams$/,
    message: /not what (its|the) /,
  },
  {
    what: 'a state that was cut off',
    damage: (first, [, second]) =>
      truncate(join(first, 'states', second ?? '', 'optimizer.safetensors'), 900),
    file: /^states\/step-/,
    message: /optimizer\.safetensors/,
  },
  {
    what: 'a line of the log that is gone',
    damage: async (first) => {
      const log = join(first, 'metrics.jsonl')
      const lines = (await readFile(log, 'utf8')).split('\n')
      await writeFile(log, lines.toSpliced(1, 1).join('\n'))
    },
    file: /metrics\.jsonl/,
    message: /line 2 is step 3, and step 2 is missing before it/,
  },
  {
    what: 'a log that ends too early',
    damage: async (first) => {
      const log = join(first, 'metrics.jsonl')
      await writeFile(log, `${(await readFile(log, 'utf8')).split('\n').slice(0, 2).join('\n')}\n`)
    },
    file: /metrics\.jsonl/,
    message: /it ends at step 2, the newest state is of step \d+/,
  },
  {
    what: 'changed settings',
    damage: (first) =>
      changeJson(join(first, 'run.json'), (run) => Object.assign(run['training'] as object, {lr: 1})),
    file: /run\.json/,
    message: /changed afterwards/,
  },
  {
    what: 'a last checkpoint of another step',
    damage: async (first, states) => {
      const other = join(first, 'states', states.at(-1) ?? '', 'weights')
      for (const ending of ['json', 'pdparams']) {
        await rm(join(first, `last.${ending}`))
        await copyFile(`${other}.${ending}`, join(first, `last.${ending}`))
      }
      await changeJson(join(first, 'last.json'), (described) => (described['file'] = 'last.pdparams'))
    },
    file: /last\.pdparams/,
    message: /it is not the checkpoint of step-/,
  },
]

for (const {what, damage, file, message} of damages) {
  test(`run verify finds ${what}`, async (t) => {
    const {first} = await copied(t)
    await damage(first, await statesOf(first))
    const {ok, problems} = await verifyRun(first)
    t.false(ok)
    t.true(
      problems.some((problem) => file.test(problem.file) && message.test(problem.message)),
      JSON.stringify(problems, null, 1),
    )
  })
}

test('run verify takes a log whose last line was cut off by a kill, and leaves with exit code 4 for what is bad', async (t) => {
  const {first} = await copied(t)
  await appendFile(join(first, 'metrics.jsonl'), '{"type": "step", "st')
  t.deepEqual((await verifyRun(first)).problems, [])
  await rm(join(first, 'last.pdparams'))
  const outcome = await runCli(['run', 'verify', first, '--json'])
  t.is(outcome.exitCode, 4)
  t.like(jsonOf(outcome), {ok: false, problems: [{file: 'last.pdparams', message: 'it is missing'}]})
})

test('run prune keeps the newest and the best state, says first what would go, and the run can be resumed', async (t) => {
  const {runs, first} = await copied(t)
  const before = await statesOf(first)
  t.true(before.length > 3)
  await mkdir(join(first, 'states', '.step-00000099-epochs-00009.4711'))
  const planned = plansOf(await runCli(['run', 'prune', runs, '--dry-run', '--json']))
  t.deepEqual(await statesOf(first), before)
  const unasked = await runCli(['run', 'prune', runs])
  t.is(unasked.exitCode, 2)
  t.deepEqual(await statesOf(first), before)

  t.is((await runCli(['run', 'prune', runs, '--json'])).exitCode, 2)
  const done = plansOf(await runCli(['run', 'prune', runs, '--yes', '--json']))
  t.deepEqual(done, planned)
  const [plan] = done
  t.true((plan?.freedBytes ?? 0) > 0)
  t.true(plan?.removed.includes('states/.step-00000099-epochs-00009.4711'))
  const after = await statesOf(first)
  t.deepEqual(after, plan?.kept)
  t.is(after[0], before[0])
  t.true(after.length <= 2)
  t.deepEqual((await verifyRun(first)).problems, [])
})

test('run prune never removes the only state that can be resumed from', async (t) => {
  const {first} = await copied(t)
  const states = await statesOf(first)
  const [oldest, ...newer] = states.toReversed()
  for (const name of newer) await truncate(join(first, 'states', name, 'weights.pdparams'), 100)
  await runCli(['run', 'prune', first, '--yes'])
  t.deepEqual(await statesOf(first), [oldest])

  await truncate(join(first, 'states', oldest ?? '', 'weights.pdparams'), 100)
  const skipped = await runCli(['run', 'prune', first, '--yes'])
  t.regex(skipped.stdout, /nothing is removed, no state of it can be resumed from/)
  t.deepEqual(await statesOf(first), [oldest])
})

test('run prune leaves a run alone that is being trained', async (t) => {
  const {first} = await copied(t)
  const before = await statesOf(first)
  const mark = await markRunning(first)
  const {stdout} = await runCli(['run', 'prune', first, '--yes'])
  await mark[Symbol.asyncDispose]()
  t.regex(stdout, /nothing is removed, it is being trained/)
  t.deepEqual(await statesOf(first), before)
})

async function copied(t: ExecutionContext): Promise<{runs: string; first: string}> {
  const runs = join(await temporaryFolder(t), 'runs')
  await cp(join(shared, 'runs'), runs, {recursive: true})
  return {runs, first: join(runs, 'deep', 'first')}
}

/** The newest first. */
async function statesOf(first: string): Promise<string[]> {
  const names = await readdir(join(first, 'states'))
  return names
    .filter((name) => name.startsWith('step-'))
    .sort()
    .reverse()
}

function plansOf(outcome: {readonly stdout: string}): readonly PrunePlan[] {
  return (JSON.parse(outcome.stdout) as {runs: readonly PrunePlan[]}).runs
}

async function flipByte(file: string, at: number): Promise<void> {
  const bytes = await readFile(file)
  bytes[at] = (bytes[at] ?? 0) ^ 1
  await writeFile(file, bytes)
}
