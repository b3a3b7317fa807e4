import test, {type ExecutionContext} from 'ava'
import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {findBasePython, inspectPython} from '../../src/setup/base-python.mjs'
import {SetupFailure} from '../../src/setup/failure.mjs'
import {writeFakePython, writeProgram} from '../helpers/fake-python.js'

test('the Python on PATH is found, and says what it is', async (t) => {
  const {version, implementation, bits, hasVenv, executable} = await findBasePython()
  t.regex(version, /^3\.(9|10|11|12|13)\./)
  t.deepEqual([implementation, bits, hasVenv], ['CPython', 64, true])
  t.is((await inspectPython(executable))?.version, version)
})

test('without any Python on PATH one sentence says which are needed and how to name one', async (t) => {
  const failure = await failureOf(t, {PATH: await emptyFolder(t)})
  t.is(failure.message, 'No Python 3.9 to 3.13 was found: there is none on PATH.')
  t.regex(failure.next ?? '', /--python PATH.*VILBERT_TS_PYTHON_BASE/)
  t.is(failure.exitCode, 5)
})

test('a Python that Paddle has no package for is named with its version', async (t) => {
  const bin = await emptyFolder(t)
  writeFakePython(bin, 'python3', {version: '3.14.0'})
  const failure = await failureOf(t, {PATH: bin})
  t.is(
    failure.message,
    'No Python 3.9 to 3.13 was found: python3 is Python 3.14.0, which Paddle has no package for.',
  )
})

test('a shim that stands for no Python is passed over, and a too old Python too', async (t) => {
  const bin = await emptyFolder(t)
  writeProgram(bin, 'python3', 'echo "pyenv: python3: command not found" >&2; exit 127')
  writeFakePython(bin, 'python3.13', {version: '3.8.18'})
  const fitting = writeFakePython(bin, 'python3.10', {version: '3.10.13'})
  t.is((await findBasePython({env: {PATH: bin}})).executable, fitting)
})

test('a Python without the venv module is told from one that does not fit', async (t) => {
  const bin = await emptyFolder(t)
  writeFakePython(bin, 'python3', {hasVenv: false})
  const failure = await failureOf(t, {PATH: bin})
  t.regex(
    failure.message,
    /python3 is Python 3\.11\.7 without the venv module .*apt-get install python3-venv/,
  )
})

test('other implementations and 32-bit Pythons are refused', async (t) => {
  const bin = await emptyFolder(t)
  writeFakePython(bin, 'python3', {implementation: 'PyPy'})
  writeFakePython(bin, 'python3.12', {bits: 32})
  const failure = await failureOf(t, {PATH: bin})
  t.regex(failure.message, /python3 is PyPy, but Paddle needs CPython; python3\.12 is a 32-bit Python/)
})

test('a named Python is the only one that is tried', async (t) => {
  const bin = await emptyFolder(t)
  writeFakePython(bin, 'python3', {})
  const named = join(bin, 'nothing')
  const failure = await failureOf(t, {PATH: bin, VILBERT_TS_PYTHON_BASE: named})
  t.is(failure.message, `${named} is not a Python that runs; Python 3.9 to 3.13 is needed.`)
})

function failureOf(t: ExecutionContext, env: NodeJS.ProcessEnv): Promise<SetupFailure> {
  return t.throwsAsync(findBasePython({env}), {instanceOf: SetupFailure})
}

async function emptyFolder(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'base-python-'))
  t.teardown(() => rm(folder, {recursive: true}))
  return folder
}
