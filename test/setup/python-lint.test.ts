import test from 'ava'
import {execa} from 'execa'
import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import {z} from 'zod'
import {packageRoot} from '../../src/paths.js'
import {python} from '../helpers/python.js'

const findingsSchema = z.array(z.object({code: z.string()}))

/** What turns bytes into code or objects, in the ways it may be written. */
const forbidden = [
  'import pickle\npickle.load(file)',
  'import pickle as p\np.loads(data)',
  'from pickle import Unpickler',
  'import paddle\npaddle.load(path)',
  'from paddle import load as read',
  'import numpy as np\nnp.load(path, allow_pickle=True)',
  'import torch\ntorch.load(path)',
  'import yaml\nyaml.load(text)',
  'import marshal',
  'import dill',
  'eval(text)',
  'exec(text)',
]

for (const source of forbidden) {
  test(`the lint settings refuse ${JSON.stringify(source)} in the product`, async (t) => {
    t.true((await securityFindings(`${source}\n`, 'python/vilbert/example.py')).length > 0)
  })
}

test('writing a pickle is allowed, since checkpoints and refs are pickles', async (t) => {
  t.deepEqual(await securityFindings('import pickle\npickle.dumps(1)\n', 'python/vilbert/example.py'), [])
})

test('tests may read with the stock readers what the product wrote', async (t) => {
  t.deepEqual(await securityFindings('import paddle\npaddle.load("x")\n', 'test/python/test_example.py'), [])
})

test('nothing in the product is excepted from these rules', async (t) => {
  const {stdout} = await execa('git', ['ls-files', 'python'], {cwd: packageRoot})
  const excepted = stdout
    .split('\n')
    .filter((file) => file.endsWith('.py'))
    .filter((file) => /noqa.*(?:TID251|S[13]\d\d|S506)/.test(readFileSync(join(packageRoot, file), 'utf8')))
  t.deepEqual(excepted, [])
})

/** The findings of the rules that guard against code in data, for a file of this name. */
async function securityFindings(source: string, file: string): Promise<z.infer<typeof findingsSchema>> {
  const settings = ['--config', 'python/pyproject.toml', '--no-cache', '--output-format', 'json']
  const {stdout} = await execa(python, ['-m', 'ruff', 'check', ...settings, '--stdin-filename', file, '-'], {
    cwd: packageRoot,
    input: source,
    reject: false,
  })
  return findingsSchema.parse(JSON.parse(stdout)).filter(({code}) => /^(?:TID251|S\d+)$/.test(code))
}
