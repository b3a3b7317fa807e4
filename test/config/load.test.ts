import test from 'ava'
import {mkdtemp, readFile, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {loadConfig, loadConfigFile, loadModelConfig, validateConfigFile} from '../../src/config/load.js'
import {ConfigProblemsError, problemLine} from '../../src/config/problems.js'
import {packageRoot} from '../../src/paths.js'

const fixture = (name: string) => join(packageRoot, 'test', 'fixtures', 'config', name)

/** Writes a configuration into a folder of its own. */
async function written(name: string, text: string): Promise<string> {
  const file = join(await mkdtemp(join(tmpdir(), 'vilbert-config-')), name)
  await writeFile(file, text)
  return file
}

test('a file of sections takes its model from a file beside it and its paths relative to itself', async (t) => {
  const {kind, model, data, training} = await loadConfigFile(fixture('run.yaml'))
  t.is(kind, 'file')
  t.is(model?.hidden_size, 16)
  t.is(data.dataRoot, join(packageRoot, 'test', 'fixtures', 'config'))
  t.like(training, {epochs: 5, lr: 4e-5, headLr: 1e-4, batchSize: 256, decayEpochs: [2, 4], recipe: 'seed'})
})

test('all mistakes of a file are shown at once, each with line, column and the word that was meant', async (t) => {
  const {ok, problems} = await validateConfigFile(fixture('broken.yaml'))
  const lines = problems.map((problem) => problemLine(problem).replace(`${fixture('')}/`, ''))
  const expected = [
    'broken.yaml:1:1: model lacks 23 keys: num_hidden_layers, intermediate_size, hidden_act, hidden_dropout_prob, attention_probs_dropout_prob, …',
    'broken.yaml:2:3: model.hiden_size is not a known key; did you mean "hidden_size"?',
    'broken.yaml:4:3: model.num_attention_heads must divide hidden_size, but 100 is not a multiple of 12',
    'broken.yaml:5:3: model.vocab_size must be a number, it is "30522"',
    'broken.yaml:7:3: data.dataset must be one of refcoco, refcoco+, refcocog, own, it is "refcoo+"; did you mean "refcoco+"?',
    `broken.yaml:8:3: data.dataRoot does not exist: ${fixture('nowhere')}`,
    'broken.yaml:10:3: training.batchsize is not a known key; did you mean "batchSize"?',
    'broken.yaml:12:3: training.gradAccumulation must divide batchSize, but 10 is not a multiple of 4',
    'broken.yaml:13:3: training.epochs must be at least 1, it is 0',
    'broken.yaml:14:1: traning is not a known key; did you mean "training"?',
  ]
  t.false(ok)
  t.deepEqual(lines, expected)
})

test('values come from defaults, file, --set and flags, in this order, and each knows from where', async (t) => {
  const {training, model, origin} = await loadConfig({
    file: fixture('run.yaml'),
    set: [
      'training.epochs=6',
      'training.batchSize=64',
      'training.batchSize=32',
      'model.hidden_dropout_prob=0',
    ],
    flags: {epochs: 7, shuffle: false, 'data-root': undefined, verbose: true},
  })
  t.like(training, {epochs: 7, batchSize: 32, shuffle: false, decayEpochs: [2, 4]})
  t.is(model?.hidden_dropout_prob, 0)
  t.like(origin, {
    'training.epochs': 'flag',
    'training.batchSize': '--set',
    'training.shuffle': 'flag',
    'training.lr': `file:${fixture('run.yaml')}:8`,
    'training.seed': 'default',
    'model.hidden_dropout_prob': '--set',
    'model.hidden_size': `file:${fixture('small.json')}:5`,
    'model.fixed_t_layer': 'default',
  })
})

test('--set reads values like YAML and names the key that was meant', async (t) => {
  const {training} = await loadConfig({
    set: ['training.lr=4e-5', 'training.decayEpochs=[3, 5]', 'training.clip=null'],
  })
  t.like(training, {lr: 4e-5, decayEpochs: [3, 5], clip: null})
  const wrong: readonly (readonly [string, string])[] = [
    ['lr=1', 'lr is not a known key; did you mean "training.lr"?'],
    ['training.batch_size=8', 'training.batch_size is not a known key; did you mean "training.batchSize"?'],
    ['training.lr', '--set takes KEY=VALUE, it is "training.lr".'],
    ['training.lr=fast', 'training.lr must be a number, it is "fast"'],
    ['training.lr=[', 'The file is not valid'],
    ['constructor.name=1', 'constructor.name is not a known key'],
    ['training.__proto__=1', 'training.__proto__ is not a known key'],
    ['model=bert_base', 'model is neither a preset nor a file: "bert_base"'],
  ]
  for (const [assignment, sentence] of wrong) {
    const error = await t.throwsAsync(loadConfig({set: [assignment]}), {instanceOf: ConfigProblemsError})
    t.true(error.message.includes(sentence), `${assignment}: ${error.message}`)
  }
})

test('a preset is a model by name', async (t) => {
  const {model, origin} = await loadConfig({set: ['model=bert_base_6layer_6conect', 'model.hidden_size=384']})
  t.is(model?.v_hidden_size, 1024)
  t.is(model?.hidden_size, 384)
  t.is(origin['model.v_hidden_size'], 'preset:bert_base_6layer_6conect')
})

test("the seed's task file gives data set, folder and rates of TASK4", async (t) => {
  const file = join(packageRoot, 'test', 'fixtures', 'hostile', 'config', 'cfg_yaml_good.yml')
  const {kind, model, data, training, origin} = await loadConfigFile(file)
  t.is(kind, 'seed-tasks')
  t.is(model, undefined)
  t.is(data.dataset, 'refcoco+')
  t.is(data.dataRoot, join(file, '..', 'data', 'referExpression'))
  t.like(training, {lr: 4e-5, batchSize: 256, epochs: 20, evalBatchSize: 1024})
  t.true(origin['training.lr']?.startsWith(`file:${file}:`))
  const error = await t.throwsAsync(loadModelConfig(file))
  t.true(error.message.includes('does not describe a model'))
})

test('what cannot differ in the task file is refused rather than ignored', async (t) => {
  const file = await written(
    'tasks.yml',
    'TASK4:\n  name: refcoco+\n  max_seq_length: 40\n  dataroot: a\n  features_h5path1: b/x.lmdb\n',
  )
  const {problems} = await validateConfigFile(file)
  t.deepEqual(
    problems.map(({line, message}) => [line, message]),
    [
      [3, 'TASK4.max_seq_length must be 20, it is 40'],
      [5, 'TASK4.features_h5path1 must lie in dataroot, which is a'],
    ],
  )
})

const refused: readonly (readonly [
  what: string,
  name: string,
  text: string,
  code: string,
  line: number | null,
])[] = [
  ['a key given twice in JSON', 'a.json', '{"hidden_size": 1,\n "hidden_size": 2}', 'E_CFG_KEY', 2],
  ['a key given twice in YAML', 'a.yaml', 'training:\n  lr: 1\n  lr: 2\n', 'E_CFG_KEY', 3],
  ['a comment in JSON', 'a.json', '{\n // no\n"hidden_size": 1}', 'E_CFG_JSON', 2],
  ['NaN in JSON', 'a.json', '{"hidden_size": NaN}', 'E_CFG_JSON', 1],
  ['NaN in YAML', 'a.yaml', 'training:\n  lr: .nan\n', 'E_CFG_TYPE', 2],
  ['infinity in YAML', 'a.yaml', 'training:\n  lr: .inf\n', 'E_CFG_TYPE', 2],
  ['JSON that ends early', 'a.json', '{"hidden_size": 1', 'E_CFG_JSON', 1],
  ['bad indentation', 'a.yaml', 'training:\n  lr: 1\n epochs: 2\n', 'E_CFG_YAML', 3],
  ['a section that is none', 'a.yaml', 'training: 5\n', 'E_CFG_TYPE', 1],
  ['a name that every object has', 'a.yaml', 'constructor: 5\n', 'E_CFG_KEY', 1],
  ['an empty file', 'a.yaml', '', 'E_CFG_TYPE', 1],
  ['a file of other things', 'a.yaml', 'name: x\n', 'E_CFG_KEY', 1],
  ['a deep YAML sequence', 'a.yaml', `training: ${'- '.repeat(50)}1`, 'E_CFG_YAML', 1],
  ['deep JSON', 'a.json', `{"model": ${'['.repeat(100)}${']'.repeat(100)}}`, 'E_LIMIT', 1],
  ['a YAML 1.1 directive', 'a.yaml', '%YAML 1.1\n---\ntraining:\n  shuffle: yes\n', 'E_CFG_YAML', 1],
  ['a mapping as key', 'a.yaml', 'training:\n  ? {a: 1}\n  : 2\n', 'E_CFG_YAML', 2],
  ['a NUL byte', 'a.yaml', 'training: {lr: 1}\0', 'E_CFG_YAML', null],
  ['a file of a megabyte', 'a.yaml', `# ${'x'.repeat(2 ** 20)}`, 'E_LIMIT', null],
]

for (const [what, name, text, code, line] of refused) {
  test(`${what} is refused with ${code}`, async (t) => {
    const {ok, problems} = await validateConfigFile(await written(name, text))
    t.false(ok)
    t.true(
      problems.some((problem) => problem.code === code && problem.line === line),
      JSON.stringify(problems),
    )
  })
}

test('JSON with tabs, a byte order mark and any white space is read', async (t) => {
  const text = await readFile(fixture('small.json'), 'utf8')
  const tabs = `\uFEFF${text.replaceAll('  ', '\t').replaceAll('":', '"\n\t:\t')}`
  t.true((await validateConfigFile(await written('tabs.json', tabs))).ok)
})

test('a missing file and a folder are each one sentence', async (t) => {
  const missing = await validateConfigFile('/nowhere/at/all.yaml')
  t.deepEqual(missing.problems.map(problemLine), ['/nowhere/at/all.yaml: The file does not exist.'])
  const folder = await validateConfigFile(tmpdir())
  t.deepEqual(folder.problems.map(problemLine), [`${tmpdir()}: It is a folder, not a file.`])
})

test('rules between training settings hold', async (t) => {
  const wrong: readonly (readonly [Record<string, unknown>, string])[] = [
    [{'batch-size': 10, 'grad-accumulation': 4}, '--grad-accumulation must divide batchSize'],
    [{'decay-epochs': [16, 12]}, '--decay-epochs must ascend without repetition'],
    [
      {epochs: 200},
      'warmupFraction makes the warm-up last 20 epochs, but the rate falls at epoch 12 already',
    ],
    [{dataset: 'refcocog', 'split-by': 'unc'}, '--split-by must be umd or google for refcocog, it is unc'],
  ]
  for (const [flags, sentence] of wrong) {
    const error = await t.throwsAsync(loadConfig({flags}), {instanceOf: ConfigProblemsError})
    t.true(error.message.includes(sentence), error.message)
  }
  t.is((await loadConfig({flags: {dataset: 'refcocog'}})).data.splitBy, 'umd')
})
