import test, {type ExecutionContext} from 'ava'
import {existsSync, readdirSync, readFileSync} from 'node:fs'
import {mkdir, mkdtemp, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {SetupFailure} from '../../src/setup/failure.mjs'
import {planVenv, readStamp, venvPython, type VenvOptions} from '../../src/setup/venv.mjs'
import {inspectPython} from '../../src/setup/base-python.mjs'
import {writeTinyWheel} from '../helpers/tiny-wheel.js'

const both = ['Python environment', 'Python packages']
const packagesOnly = ['Python packages']

test.serial('an environment is made once; asking again takes no time and finds nothing to do', async (t) => {
  const venv = await tinyVenv(t)
  t.deepEqual(await carryOut(venv), both)
  t.true(distributions(venv.venvDir).includes('tiny_one-1.0.dist-info'))
  const startedAtMs = Date.now()
  t.deepEqual(await carryOut(venv), [])
  t.true(Date.now() - startedAtMs < 2000)
})

test.serial('a half-made environment is made anew', async (t) => {
  const venv = await tinyVenv(t)
  await carryOut(venv)
  await rm(join(venv.venvDir, 'vilbert-ts.json'))
  await writeFile(join(venv.venvDir, 'leftover'), '')
  t.deepEqual(await carryOut(venv), both)
  t.false(existsSync(join(venv.venvDir, 'leftover')))
  t.deepEqual(await carryOut(venv), [])
})

test.serial('an environment whose Python is gone is made anew', async (t) => {
  const venv = await tinyVenv(t)
  await carryOut(venv)
  await rm(venvPython(venv.venvDir))
  t.deepEqual(await carryOut(venv), both)
  t.not(await inspectPython(venvPython(venv.venvDir)), undefined)
})

test.serial(
  'changed requirements and removed packages are installed into the same environment',
  async (t) => {
    const venv = await tinyVenv(t)
    await carryOut(venv)
    await writeFile(join(venv.venvDir, 'kept'), '')
    await writeFile(firstFile(venv), `${readFileSync(firstFile(venv), 'utf8')}# changed\n`)
    t.deepEqual(await carryOut(venv), packagesOnly)
    const site = sitePackages(venv.venvDir)
    await rm(join(site, 'tiny_one-1.0.dist-info'), {recursive: true})
    t.deepEqual(await carryOut(venv), packagesOnly)
    t.true(existsSync(join(venv.venvDir, 'kept')))
  },
)

test.serial('a folder that is no Python environment is left alone', async (t) => {
  const venv = await tinyVenv(t)
  await mkdir(venv.venvDir)
  await writeFile(join(venv.venvDir, 'thesis.txt'), 'precious')
  const failure = await t.throwsAsync(planVenv(venv), {instanceOf: SetupFailure})
  t.is(failure.message, `${venv.venvDir} is in the way: it is not a Python environment.`)
  t.is(readFileSync(join(venv.venvDir, 'thesis.txt'), 'utf8'), 'precious')
})

test.serial('what pip says is shown only when it fails: the last lines, and where the rest is', async (t) => {
  const venv = await tinyVenv(t)
  await writeFile(firstFile(venv), '/nonexistent/tiny_two-1.0-py3-none-any.whl\n')
  const failure = await t.throwsAsync(carryOut(venv), {instanceOf: SetupFailure})
  t.is(failure.message, 'pip could not install the Python packages (exit code 1).')
  t.is(failure.exitCode, 5)
  t.true(failure.details.some((line) => line.includes('tiny_two')))
  const log = join(venv.venvDir, 'setup.log')
  t.true(failure.next?.includes(log))
  t.regex(readFileSync(log, 'utf8'), /pip install .*tiny_two/s)
  t.is(readStamp(venv.venvDir), undefined)
})

test.serial('an index that cannot be reached is a failure of the network', async (t) => {
  const venv = await tinyVenv(t)
  await writeFile(firstFile(venv), '--index-url http://127.0.0.1:9/simple\nno-such-tiny-package==1.0\n')
  process.env['PIP_RETRIES'] = '1'
  t.teardown(() => delete process.env['PIP_RETRIES'])
  const failure = await t.throwsAsync(carryOut(venv), {instanceOf: SetupFailure})
  t.is(failure.message, 'The Python packages could not be fetched: the package index cannot be reached.')
  t.is(failure.exitCode, 6)
})

test.serial('work that was cancelled leaves an environment that counts as half-made', async (t) => {
  const venv = await tinyVenv(t)
  await t.throwsAsync(carryOut({...venv, signal: AbortSignal.timeout(300)}))
  t.is(readStamp(venv.venvDir), undefined)
  t.deepEqual(await carryOut(venv), both)
})

async function tinyVenv(t: ExecutionContext): Promise<VenvOptions> {
  const folder = await mkdtemp(join(tmpdir(), 'venv-'))
  t.teardown(() => rm(folder, {recursive: true}))
  const requirements = join(folder, 'requirements.txt')
  await writeFile(requirements, `${await writeTinyWheel(folder, 'tiny_one')}\n`)
  return {venvDir: join(folder, 'venv'), requirementFiles: [requirements]}
}

/** Does what is left to do and answers with what that was. */
async function carryOut(venv: VenvOptions): Promise<string[]> {
  const steps = await planVenv(venv)
  for (const step of steps) await step.run(() => undefined)
  return steps.map(({title}) => title)
}

function firstFile({requirementFiles}: VenvOptions): string {
  return requirementFiles[0] ?? ''
}

function sitePackages(venvDir: string): string {
  const version = readdirSync(join(venvDir, 'lib')).find((name) => name.startsWith('python3.')) ?? ''
  return join(venvDir, 'lib', version, 'site-packages')
}

function distributions(venvDir: string): string[] {
  return readdirSync(sitePackages(venvDir)).filter((name) => name.endsWith('.dist-info'))
}
