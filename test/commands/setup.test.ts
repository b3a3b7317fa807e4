import test from 'ava'
import {existsSync} from 'node:fs'
import {join} from 'node:path'
import {jsonOf, runCli} from '../helpers/cli.js'
import {writeFakePython} from '../helpers/fake-python.js'
import {installPackage} from '../helpers/installed-package.js'

test('in a clone that is ready, setup has nothing to do and says with what it would compute', async (t) => {
  const result = await runCli(['setup', '--json'], {env: {VILBERT_TS_PYTHON: ''}})
  t.is(result.exitCode, 0)
  t.like(jsonOf(result), {changed: false, paddleVersion: '3.3.1'})
})

test('without Python, setup is one sentence and exit code 5, with nothing left behind', async (t) => {
  const installed = await installPackage(t)
  const env = {PATH: join(installed.folder, 'nothing')}
  const plain = await installed.run(['setup'], {env})
  t.is(plain.exitCode, 5)
  t.regex(plain.stderr, /Error: No Python 3\.9 to 3\.13 was found: there is none on PATH\.\nNext: Install/)
  t.is(plain.stdout, '')
  const json = await installed.run(['setup', '--json'], {env})
  t.is(json.exitCode, 5)
  t.like(jsonOf(json), {error: {code: 'E_ENVIRONMENT', exitCode: 5}})
  t.false(existsSync(join(installed.cache, 'vilbert-ts', 'venv-0.1.0')))
})

test('a named Python of a wrong version is refused with its version', async (t) => {
  const installed = await installPackage(t)
  const python = writeFakePython(installed.folder, 'python3.14', {version: '3.14.0'})
  const result = await installed.run(['setup', '--python', python])
  t.is(result.exitCode, 5)
  t.true(result.stderr.includes(`${python} is Python 3.14.0, which Paddle has no package for.`))
})

test('an installed package keeps its environment in the cache folder, and Paddle must compute in it', async (t) => {
  const installed = await installPackage(t)
  const result = await installed.run(['setup'], {timeoutMs: 110_000})
  t.is(result.exitCode, 5)
  const venv = join(installed.cache, 'vilbert-ts', 'venv-0.1.0')
  t.true(existsSync(join(venv, 'vilbert-ts.json')))
  t.false(existsSync(`${venv}.lock`))
  t.regex(result.stderr, /Python packages/)
  t.true(result.stderr.includes(`Paddle is installed in ${venv} but does not work: ModuleNotFoundError`))
})

test("when Paddle's GPU index cannot be reached, setup --gpu is a failure of the network", async (t) => {
  const installed = await installPackage(t)
  const proxy = 'http://127.0.0.1:9'
  const env = {HTTPS_PROXY: proxy, https_proxy: proxy, PIP_RETRIES: '1'}
  const result = await installed.run(['setup', '--gpu', '--json'], {env, timeoutMs: 110_000})
  t.is(result.exitCode, 6)
  t.like(jsonOf(result), {error: {code: 'E_NETWORK', exitCode: 6}})
  t.regex(result.stdout, /GPU index \(.*\) cannot be reached/)
})
