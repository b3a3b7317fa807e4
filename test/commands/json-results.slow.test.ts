import {cp, mkdir, mkdtemp, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {pathToFileURL} from 'node:url'
import test, {type ExecutionContext} from 'ava'
import {execa} from 'execa'
import {finished, jsonOf, runCli, startCli} from '../helpers/cli.js'
import {golden} from '../helpers/golden.js'
import {python, pythonFixtures} from '../helpers/python.js'
import {startServer} from '../helpers/server.js'
import {schemaNames, unlike} from '../helpers/written-schemas.js'

const checked = new Set<string>()
const model = ['--config', join(golden, 'config.json'), '--from-pretrained', join(golden, 'weights.pdparams')]
let folder = ''
let dataRoot = ''
let run = ''

test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vilbert-ts-json-'))
  dataRoot = join(folder, 'data')
  run = join(folder, 'runs', 'one')
  await cp(join(golden, 'data-root'), dataRoot, {recursive: true})
})

test.after.always(() => rm(folder, {recursive: true, force: true}))

test.serial('configurations, checkpoints and lists print what their schemas say', async (t) => {
  const weights = join(golden, 'weights.pdparams')
  const small = join(folder, 'small.safetensors')
  await check(t, 'config-show', ['config', 'show', '--origin'])
  await check(t, 'config-show', ['config', 'show', '--set', 'model=tiny'])
  await check(t, 'config-schema', ['config', 'schema'])
  await check(t, 'config-validate', ['config', 'validate', join(golden, 'config.json')])
  await check(t, 'config-validate', ['config', 'validate', 'test/fixtures/config/broken.yaml'], 3)
  await check(t, 'checkpoint-schema', ['checkpoint', 'schema'])
  await check(t, 'checkpoint-inspect', ['checkpoint', 'inspect', weights, '--stats'])
  const converted = ['checkpoint', 'convert', weights, small, '--dtype', 'float16']
  await check(t, 'checkpoint-convert', [...converted, '--config', join(golden, 'config.json'), '--check'])
  await check(t, 'checkpoint-inspect', ['checkpoint', 'inspect', small])
  await check(t, 'checkpoint-diff', ['checkpoint', 'diff', weights, small], 8)
  await check(t, 'verify', ['verify', weights, small])
  await check(t, 'verify', ['verify', 'README.md'], 4)
  await check(t, 'data-list', ['data', 'list'])
  await check(t, 'doctor', ['doctor'])
  await check(t, 'setup', ['setup'], 0, {VILBERT_TS_PYTHON: ''})
})

test.serial('data print what their schemas say', async (t) => {
  const [own, made] = [join(folder, 'own'), join(folder, 'made')]
  await mkdir(own)
  await execa(python, [join(pythonFixtures, 'export_own.py'), dataRoot, own])
  const features = ['--annotations', join(own, 'own.jsonl'), '--features', join(own, 'detected.tsv')]
  await check(t, 'data-import', ['data', 'import', ...features, '--output', join(own, 'root')])
  await check(t, 'data-pack', ['data', 'pack', '--data-root', dataRoot])
  await check(t, 'data-stats', ['data', 'stats', '--data-root', dataRoot])
  await check(t, 'data-synth', ['data', 'synth', '--output', made, '--images', '20'])
  const fetch = [
    'data',
    'download',
    'refcoco+',
    '--only',
    'annotations',
    '--data-root',
    join(folder, 'fetched'),
  ]
  await check(t, 'data-download', [...fetch, '--dry-run'])
  const sources = join(folder, 'sources.json')
  await writeFile(sources, JSON.stringify({schema: 'vilbert-ts/sources@1', sources: [ownSource(sources)]}))
  const place = ['--sources', sources, '--data-root', join(folder, 'fetched')]
  await check(t, 'data-download', ['data', 'download', 'mine', ...place])
  await check(t, 'data-download', ['data', 'download', 'mine', ...place])
  await check(t, 'refer-show', ['refer', 'show', '1', '--data-root', dataRoot])
  await check(t, 'refer-build', ['refer', 'build'])
  const mask = ['refer', 'mask', '3', '--data-root', dataRoot, '--output', join(folder, 'mask.png')]
  await check(t, 'refer-mask', mask)
})

test.serial('trainings and what is made of them print what their schemas say', async (t) => {
  const train = ['train', '--data-root', dataRoot, ...model]
  await check(t, 'train', [...train, '--output-dir', run, '--epochs', '2', '--save-every-steps', '1'])
  await check(t, 'train', [...train, '--dry-run'])
  await check(t, 'train', [...train, '--lr-find', '--lr-find-steps', '10'])
  await check(t, 'run-list', ['run', 'list', join(folder, 'runs')])
  await check(t, 'run-show', ['run', 'show', run])
  await check(t, 'run-verify', ['run', 'verify', run])
  await check(t, 'report', ['report', run, '--split', 'val'])
  await check(t, 'compare', ['compare', run, run, '--html', join(folder, 'compare.html')])
  await check(t, 'run-prune', ['run', 'prune', run, '--keep', '1', '--yes'])
})

test.serial('answers and measurements print what their schemas say', async (t) => {
  const source = ['--data-root', dataRoot, ...model]
  await check(t, 'eval', ['eval', ...source])
  await writeFile(join(folder, 'ids'), '1\n99999\n')
  await check(t, 'eval', ['eval', ...source, '--ablate', 'order', '--exclude', join(folder, 'ids')])
  const asked = ['predict', ...source, '--image', '1000', '--phrase', 'man in red']
  await check(t, 'predict', asked)
  await check(t, 'predict', [...asked, '--phrase', 'left'])
  const questions = join(folder, 'questions.jsonl')
  await writeFile(
    questions,
    '{"image": 1000, "phrase": "man", "id": {"any": [1]}}\n{"image": 77777, "phrase": "man"}\nno\n',
  )
  const {stdout} = await runCli(['predict', '--python', python, ...source, '--input', questions])
  const lines = stdout.trimEnd().split('\n')
  t.is(lines.length, 3)
  for (const line of lines) t.deepEqual(unlike('predict-line', JSON.parse(line)), [], line)
  checked.add('predict-line')
  const bench = [
    'bench',
    '--profiles',
    'sparse',
    '--rounds',
    '1',
    '--only',
    'eval',
    '--no-baseline',
    '--compare-cmd',
    'true',
  ]
  await check(t, 'bench', [...bench, ...source])
})

test.serial('the address of a server and failures of every kind print what their schemas say', async (t) => {
  const server = await startServer(['--runs', folder, '--json'])
  await server.stop()
  const [address = '', ...printed] = server.output().split('\n')
  t.true(address.startsWith('http://'))
  t.deepEqual(unlike('serve', JSON.parse(printed.slice(printed.indexOf('{')).join('\n'))), [])
  checked.add('serve')
  await check(t, 'error', ['config', 'show', '--config', 'test/fixtures/config/broken.yaml'], 3)
  await check(t, 'error', ['trian'], 2)
  await check(t, 'error', ['train', '--no-such-flag'], 2)
  await check(t, 'error', ['checkpoint', 'inspect', 'nowhere'], 4)
  const stopped = startCli(['serve', '--port', '0', '--runs', folder, '--json', '--host', '0.0.0.0'])
  t.deepEqual(unlike('error', jsonOf(await finished(stopped))), [])
})

// What `demo` prints is checked where the installed package runs it, since it takes minutes.
test.serial('no schema was left out', (t) => {
  t.deepEqual([...checked, 'demo'].sort(), schemaNames().sort())
})

/** Runs a command and holds the one document that it prints against its schema. */
async function check(
  t: ExecutionContext,
  name: string,
  args: readonly string[],
  exitCode = 0,
  env: Readonly<Record<string, string>> = {VILBERT_TS_PYTHON: python},
): Promise<void> {
  const outcome = await runCli([...args, '--json'], {env})
  t.is(outcome.exitCode, exitCode, `${args.join(' ')}: ${outcome.stdout}${outcome.stderr}`)
  t.deepEqual(unlike(name, jsonOf(outcome)), [], args.join(' '))
  checked.add(name)
}

/** A source of the user's own: any file will do. */
function ownSource(file: string): object {
  const facts = {kind: 'features', purpose: 'A test.', licence: 'none', provides: ['mine.json']}
  return {id: 'mine', datasets: ['mine'], ...facts, urls: [pathToFileURL(file).href]}
}
