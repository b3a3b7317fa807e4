import test from 'ava'
import {realpath} from 'node:fs/promises'
import {join} from 'node:path'
import {packageRoot} from '../../src/paths.js'
import {jsonOf, runCli, startCli} from '../helpers/cli.js'

const folder = await realpath(join(packageRoot, 'test', 'fixtures', 'config'))
const inFolder = {cwd: folder}

test('config validate says that a good file is good', async (t) => {
  const result = await runCli(['config', 'validate', 'bert_base_6layer_6conect.json'], inFolder)
  t.like(result, {
    exitCode: 0,
    stderr: '',
    stdout: 'bert_base_6layer_6conect.json is valid (a model configuration).\n',
  })
})

test('config validate --json is one document with ok, kind and problems, and exit code 3 when not ok', async (t) => {
  const good = await runCli(['config', 'validate', 'run.yaml', '--json'], inFolder)
  t.is(good.exitCode, 0)
  t.deepEqual(jsonOf(good), {ok: true, file: 'run.yaml', kind: 'file', problems: []})
  const bad = await runCli(['config', 'validate', 'broken.yaml', '--json'], inFolder)
  t.is(bad.exitCode, 3)
  t.is(bad.stderr, '')
  const document = jsonOf(bad) as {ok: boolean; problems: {path: string}[]}
  t.false(document.ok)
  t.deepEqual(
    document.problems.find(({path}) => path === 'model.hiden_size'),
    {
      path: 'model.hiden_size',
      line: 2,
      column: 3,
      code: 'E_CFG_KEY',
      message: 'model.hiden_size is not a known key; did you mean "hidden_size"?',
      file: 'broken.yaml',
    } as never,
  )
})

test('config validate names a missing file and exits with 3', async (t) => {
  const result = await runCli(['config', 'validate', 'nope.json'], inFolder)
  t.like(result, {exitCode: 3, stdout: 'nope.json: The file does not exist.\n'})
})

test('config show prints YAML that config validate accepts', async (t) => {
  const args = ['--set', 'model=bert_base_6layer_6conect', '--lr', '3e-5', '--no-shuffle']
  const shown = await runCli(['config', 'show', ...args], inFolder)
  t.is(shown.exitCode, 0)
  t.regex(shown.stdout, /^model:\n/)
  t.regex(shown.stdout, / {2}lr: 0\.00003\n {2}headLr: 0\.000075\n/)
  t.regex(shown.stdout, / {2}shuffle: false\n/)
})

test('config show --origin says where each value comes from', async (t) => {
  const args = ['--config', 'run.yaml', '--set', 'training.seed=7', '--epochs', '9', '--origin']
  const table = await runCli(['config', 'show', ...args], inFolder)
  t.regex(table.stdout, /^training\.epochs +9 +flag$/m)
  t.regex(table.stdout, /^training\.seed +7 +--set$/m)
  t.regex(table.stdout, /^training\.lr +0\.00004 +file:run\.yaml:8$/m)
  t.regex(table.stdout, /^training\.batchSize +256 +default$/m)
  const json = await runCli(['config', 'show', ...args, '--json'], inFolder)
  t.like(jsonOf(json), {training: {epochs: 9}, origin: {'training.epochs': 'flag'}})
})

test('config show fails with every problem on stderr, or as one JSON document on stdout', async (t) => {
  const text = await runCli(['config', 'show', '--config', 'broken.yaml'], inFolder)
  t.is(text.exitCode, 3)
  t.is(text.stdout, '')
  t.regex(
    text.stderr,
    /^Error: The configuration has \d+ problems:\n {2}broken\.yaml:1:1: model lacks 23 keys/,
  )
  t.regex(text.stderr, /\nNext: .+\n$/)
  const json = await runCli(['config', 'show', '--config', 'broken.yaml', '--json'], inFolder)
  t.is(json.exitCode, 3)
  t.is(json.stderr, '')
  t.like(jsonOf(json), {error: {code: 'E_CONFIG', exitCode: 3}})
})

test('a wrong flag value is a wrong command line: one sentence and exit code 2', async (t) => {
  const cases: readonly (readonly [string[], string])[] = [
    [['--batch-size', 'abc'], '--batch-size must be a number, it is "abc"'],
    [['--epochs', '1.5'], '--epochs must be a whole number, it is 1.5'],
    [['--lr', '0'], '--lr must be more than 0, it is 0'],
    [['--decay-epochs', '1,x'], '--decay-epochs entry 2 must be a number, it is "x"'],
    [['--epoch', '3'], 'Nonexistent flag: --epoch'],
  ]
  for (const [args, sentence] of cases) {
    const result = await runCli(['config', 'show', ...args], inFolder)
    t.is(result.exitCode, 2)
    t.is(result.stderr.split('\n')[0], `Error: ${sentence}`)
  }
})

test("the seed's flag spellings work and are answered with one line", async (t) => {
  const result = await runCli(
    [
      ...['config', 'show', '--json', '--num_train_epochs', '3', '--learning_rate=1e-4', '--batch_size', '8'],
      ...['--gradient_accumulation_steps', '2', '--do_lower_case', 'False', '--task', '4'],
      ...['--from_pretrained', 'w.pdparams', '--output_dir', 'out', '--warmup_proportion', '0.2'],
      ...[
        '--config_file',
        'bert_base_6layer_6conect.json',
        '--bert_model',
        'bert-base-uncased',
        '--num_workers',
        '4',
      ],
    ],
    inFolder,
  )
  t.is(result.exitCode, 0, result.stderr)
  t.is(result.stderr.trim().split('\n').length, 1)
  t.regex(result.stderr, /^Deprecated spelling: --num_train_epochs is now --epochs; /)
  t.like(jsonOf(result), {
    training: {
      ...{epochs: 3, lr: 1e-4, batchSize: 8, gradAccumulation: 2, warmupFraction: 0.2},
      ...{fromPretrained: join(folder, 'w.pdparams'), outputDir: join(folder, 'out')},
    },
    model: {hidden_size: 768},
  })
})

test('spellings that other tools use are accepted in silence', async (t) => {
  const args = ['--num-train-epochs', '3', '--batch', '8', '--learning-rate', '1e-4', '--grad-accum', '2']
  const result = await runCli(['config', 'show', '--json', ...args], inFolder)
  t.is(result.stderr, '')
  t.like(jsonOf(result), {training: {epochs: 3, batchSize: 8, lr: 1e-4, gradAccumulation: 2}})
})

test('config schema prints a JSON Schema, the same with --json', async (t) => {
  const text = await runCli(['config', 'schema', 'training'], inFolder)
  t.like(jsonOf(text), {$schema: 'https://json-schema.org/draft/2020-12/schema', type: 'object'})
  t.deepEqual(jsonOf(await runCli(['config', 'schema', 'training', '--json'], inFolder)), jsonOf(text))
  t.is((await runCli(['config', 'schema', 'nonsense'], inFolder)).exitCode, 2)
})

test('a reader that goes away early is no failure', async (t) => {
  const program = startCli(['config', 'schema'], inFolder)
  program.stdout.destroy()
  const {exitCode, stderr} = await program
  t.is(exitCode, 0)
  t.is(stderr, '')
})

test('no config command starts Python', async (t) => {
  const env = {PATH: '', VILBERT_TS_PYTHON: '/bin/false', PYTHON_BIN: '/bin/false'}
  for (const args of [['validate', 'run.yaml'], ['show'], ['schema']]) {
    const result = await runCli(['config', ...args], {...inFolder, env})
    t.like(result, {exitCode: 0, stderr: ''})
  }
})
