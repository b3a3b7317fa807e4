import {join} from 'node:path'
import test from 'ava'
import {runCli} from './helpers/cli.js'
import {golden, goldenDataRoot, temporaryFolder} from './helpers/golden.js'
import {python, pythonFixtures} from './helpers/python.js'
import {readDocument, section} from './helpers/readme.js'
import {startServer} from './helpers/server.js'

test('every exit code that README tells of comes from a command, and no other', async (t) => {
  const folder = await temporaryFolder(t)
  const model = [
    '--config',
    join(golden, 'config.json'),
    '--from-pretrained',
    join(golden, 'weights.pdparams'),
  ]
  const synth = ['data', 'synth', '--output', join(folder, 'made')]
  const pillow = {PYTHONPATH: join(pythonFixtures, 'broken-pillow')}
  const unreachable = ['--from', 'http://127.0.0.1:9/', '--data-root', folder]
  const cases: readonly (readonly [number, readonly string[], Readonly<Record<string, string>>?])[] = [
    [0, ['config', 'show']],
    [1, synth, {...pillow, BROKEN_PILLOW: 'fails'}],
    [2, ['eval', '--splt', 'val']],
    [3, ['config', 'validate', join('test', 'fixtures', 'config', 'broken.yaml')]],
    [4, ['checkpoint', 'inspect', join(folder, 'nowhere.pdparams')]],
    [5, ['doctor', '--python', '/nonexistent/python']],
    [6, ['data', 'download', 'refcoco+', '--only', 'annotations', ...unreachable]],
    [7, synth, {...pillow, BROKEN_PILLOW: 'ends'}],
    [8, ['eval', '--data-root', await goldenDataRoot(t), ...model, '--min-accuracy', '1.1']],
  ]
  const codes = await Promise.all(
    cases.map(async ([code, args, env]) => {
      const {exitCode, stderr} = await runCli(args, {env: {VILBERT_TS_PYTHON: python, ...env}})
      t.is(exitCode, code, `${args.join(' ')}: ${stderr}`)
      return code
    }),
  )
  const server = await startServer(['--runs', folder])
  t.is(await server.stop(), 130)
  t.deepEqual(await documentedCodes(), [...codes, 130])
})

async function documentedCodes(): Promise<number[]> {
  const table = section(await readDocument('README.md'), 'Exit codes')
  return [...table.matchAll(/^\| (\d+) +\|/gm)].map(([, code]) => Number(code))
}
