import {existsSync} from 'node:fs'
import {mkdtemp, readdir, readFile, rm, stat, symlink, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {delimiter, join} from 'node:path'
import test, {type ExecutionContext} from 'ava'
import {execa} from 'execa'
import {jsonOf, runCli, type CliResult} from '../helpers/cli.js'
import {python} from '../helpers/python.js'

test('refer build compiles into any folder, checks every function, and has nothing to do the second time', async (t) => {
  const build = join(await emptyFolder(t), 'a folder', '$HOME')
  const first = await referBuild(build, {}, '--json')
  t.is(first.exitCode, 0, first.stderr)
  t.is(first.stderr, '')
  const made = jsonOf(first) as {library: string; log: string; changed: boolean; functions: string[]}
  t.true(made.changed)
  t.true(made.library.startsWith(join(build, '_mask.')))
  for (const name of ['encode', 'decode', 'area', 'toBbox', 'merge', 'iou', 'frPyObjects']) {
    t.true(made.functions.includes(name), name)
  }
  const log = await readFile(made.log, 'utf8')
  t.regex(log, /cython .*_mask\.pyx/)
  const {mtimeMs} = await stat(made.library)

  const second = jsonOf(await referBuild(build, {}, '--json'))
  t.like(second, {library: made.library, changed: false, functions: made.functions})
  t.is((await stat(made.library)).mtimeMs, mtimeMs)
  t.is(await readFile(made.log, 'utf8'), log)
})

test('two builds at once do not disturb each other', async (t) => {
  const build = await emptyFolder(t)
  const results = await Promise.all([referBuild(build, {}, '--json'), referBuild(build, {}, '--json')])
  t.deepEqual(
    results.map(({exitCode}) => exitCode),
    [0, 0],
  )
  const changes = results.map((result) => (jsonOf(result) as {changed: boolean}).changed)
  t.deepEqual(changes.sort(), [false, true])
})

test('without a compiler, refer build says in a sentence what is missing', async (t) => {
  const PATH = await folderWith(t, 'make')
  const {exitCode, stderr, stdout} = await referBuild(await emptyFolder(t), {PATH})
  t.is(exitCode, 5)
  t.is(stdout, '')
  t.regex(
    stderr,
    /^Error: The mask extension cannot be built: there is no C compiler \(cc, gcc or clang\)\.$/m,
  )
  t.regex(stderr, /^Next: .*apt-get install build-essential/m)
})

test('without make, refer build says in a sentence what is missing', async (t) => {
  const result = await referBuild(await emptyFolder(t), {PATH: await emptyFolder(t)}, '--json')
  t.is(result.exitCode, 5)
  t.like(jsonOf(result), {
    error: {code: 'E_TOOLCHAIN', message: 'The mask extension cannot be built: make is not installed.'},
  })
})

test('without Cython, with an old one, and without headers, refer build says so', async (t) => {
  const cases = [
    ['cython', 'raise ImportError', /^Error: .*: Cython is not installed in .*\.$/m],
    ['cython', '__version__ = "0.29.37"', /^Error: .*: Cython 3 is needed, and .* has 0\.29\.37\.$/m],
    ['headers', '', /^Error: .*: there is no Python\.h in .*nowhere\.$/m],
  ] as const
  for (const [what, code, message] of cases) {
    const fake = await pythonWithout(t, what, code)
    const {exitCode, stderr} = await referBuild(await emptyFolder(t), {VILBERT_TS_PYTHON: fake})
    t.is(exitCode, 5, stderr)
    t.regex(stderr, message)
  }
})

test('when the compiler fails, its first error is shown and the log is kept', async (t) => {
  const build = await emptyFolder(t)
  const {exitCode, stderr} = await referBuild(build, {CC: 'cc -include not-there.h'})
  t.is(exitCode, 5)
  t.regex(stderr, /^Error: make could not build the mask extension \(exit code 2\)\.$/m)
  t.regex(stderr, /^Cause: .*not-there\.h/m)
  const log = /The whole output is in (\S+)\.$/m.exec(stderr)?.[1] ?? ''
  t.regex(await readFile(log, 'utf8'), /not-there\.h/)
  t.false((await readdir(build)).some((name) => name.endsWith('.so')))
})

test('a build folder that cannot be made is named', async (t) => {
  const file = join(await emptyFolder(t), 'file')
  await writeFile(file, '')
  const {exitCode, stderr} = await referBuild(join(file, 'build'), {})
  t.is(exitCode, 5)
  t.regex(stderr, /^Error: The build folder .*file\/build cannot be written to\.$/m)
})

async function referBuild(
  build: string,
  env: Readonly<Record<string, string>>,
  ...more: readonly string[]
): Promise<CliResult> {
  const named = {VILBERT_TS_PYTHON: python, CC: '', ...env, VILBERT_TS_REFER_BUILD: build}
  return runCli(['refer', 'build', ...more], {env: named, timeoutMs: 110_000})
}

/** A folder for PATH in which only these programs are found. */
async function folderWith(t: ExecutionContext, ...programs: readonly string[]): Promise<string> {
  const folder = await emptyFolder(t)
  for (const program of programs) {
    const file = (process.env['PATH'] ?? '')
      .split(delimiter)
      .map((place) => join(place, program))
      .find((candidate) => existsSync(candidate))
    if (file === undefined) throw new Error(`${program} is not on PATH`)
    await symlink(file, join(folder, program))
  }
  return folder
}

/** A virtual environment on top of the tests' Python; what it imports first takes something away. */
async function pythonWithout(t: ExecutionContext, what: 'cython' | 'headers', code: string): Promise<string> {
  const folder = await emptyFolder(t)
  await execa(python, ['-m', 'venv', '--without-pip', folder])
  const program = join(folder, 'bin', 'python')
  const answer = "import sysconfig; print(sysconfig.get_path('purelib'))"
  const [own, lower] = await Promise.all(
    [program, python].map(async (each) => (await execa(each, ['-c', answer])).stdout),
  )
  await writeFile(join(own ?? '', 'lower.pth'), `import site; site.addsitedir(${JSON.stringify(lower)})\n`)
  if (what === 'cython') await writeFile(join(own ?? '', 'Cython.py'), `${code}\n`)
  const noHeaders = "import sysconfig; sysconfig.get_path = lambda *_: '/nowhere'\n"
  if (what === 'headers') await writeFile(join(own ?? '', 'sitecustomize.py'), noHeaders)
  return program
}

async function emptyFolder(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'vilbert-refer-'))
  t.teardown(() => rm(folder, {recursive: true, force: true}))
  return folder
}
