import {existsSync} from 'node:fs'
import {chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {delimiter, join} from 'node:path'
import test, {type ExecutionContext} from 'ava'
import {execa} from 'execa'
import {kernelFolders} from '../../src/kernels/folders.js'
import type {KernelsBuild} from '../../src/kernels/build.js'
import {packageRoot} from '../../src/paths.js'
import {jsonOf, runCli} from '../helpers/cli.js'
import {installPackage} from '../helpers/installed-package.js'
import {python} from '../helpers/python.js'

type Built = KernelsBuild & {readonly starts: number; readonly tookMs: number}

const isForThisMachine = process.platform === 'linux' && process.arch === 'x64'
const onLinux = isForThisMachine ? test : test.skip

onLinux(
  'an installed package builds its kernels in the cache folder, once, and Python finds them',
  async (t) => {
    const installed = await installPackage(t)
    for (const part of ['kernels', 'requirements-kernels.txt', 'vilbert']) {
      const filter = (file: string) => !file.includes('/build')
      await cp(join(packageRoot, 'python', part), join(installed.folder, 'python', part), {
        recursive: true,
        filter,
      })
    }
    const env = {XDG_CACHE_HOME: join(installed.folder, 'a cache', '$HOME')}
    const folder = join(env.XDG_CACHE_HOME, 'vilbert-ts', 'kernels-0.1.0')
    await giveHeaders(folder)
    const first = await build(installed.folder, [], env)
    t.is(first.reason, null)
    t.like(first, {library: join(folder, 'libvilbert_kernels.so'), changed: true, starts: 1})
    const note = await readFile(join(folder, 'libvilbert_kernels.txt'), 'utf8')
    t.regex(note, /^interface: \d+\npaddle: 3\.3\.1\nprocessor: .*\bsse2\b.*\nself-test: passed\n$/)
    t.deepEqual((await readdir(join(installed.folder, 'python', 'kernels'))).includes('build'), false)
    const log = await readFile(join(folder, 'build.log'), 'utf8')
    t.regex(log, /matmul\.cc/)

    const before = await stat(join(folder, 'libvilbert_kernels.so'))
    const again = await fastestOf(3, () => build(installed.folder, [], env))
    t.like(again, {reason: null, changed: false, starts: 0})
    const limitMs = process.env['VILBERT_TS_QUIET_MACHINE'] === '1' ? 1000 : 5000
    t.true(again.tookMs < limitMs, `${again.tookMs} ms`)
    t.is((await stat(join(folder, 'libvilbert_kernels.so'))).mtimeMs, before.mtimeMs)
    t.is(await readFile(join(folder, 'build.log'), 'utf8'), log)

    const doctor = await installed.run(['doctor', '--json', '--python', python], {env})
    const {checks} = jsonOf(doctor) as {checks: {name: string; value: string}[]}
    t.regex(checks.find(({name}) => name === 'kernels')?.value ?? '', /^in use, .*kernels-0\.1\.0/)
  },
)

onLinux(
  'a library that fails its self-test is not used, and is built anew by another compiler',
  async (t) => {
    const folder = await folderFor(t)
    const CXX = await fakeCompiler(t, '1.0')
    const first = await build(packageRoot, [folder], {CXX})
    t.is(first.library, null)
    t.regex(first.reason ?? '', /^they failed their self-test \(.*cannot be loaded: /)
    const log = await readFile(join(folder, 'build.log'), 'utf8')
    t.regex(await readFile(join(folder, 'libvilbert_kernels.txt'), 'utf8'), /^self-test: .*cannot be loaded/m)

    const again = await build(packageRoot, [folder], {CXX})
    t.like(again, {library: null, reason: first.reason, starts: 0})
    t.is(await readFile(join(folder, 'build.log'), 'utf8'), log)

    await writeCompiler(CXX, '2.0')
    const renewed = await build(packageRoot, [folder], {CXX})
    t.is(renewed.starts, 1)
    t.regex(await readFile(join(folder, 'made-with.txt'), 'utf8'), /^compiler: .*fake 2\.0$/m)
  },
)

onLinux('two builds at once do not disturb each other', async (t) => {
  const folder = await folderFor(t)
  const CXX = await fakeCompiler(t, '1.0')
  const results = await Promise.all([1, 2].map(() => build(packageRoot, [folder], {CXX})))
  t.deepEqual(results.map(({starts}) => starts).sort(), [0, 1])
})

onLinux('whatever a build lacks is told in a clause, and is no failure', async (t) => {
  const noPaddle = join(await folderFor(t), 'venv')
  await execa(python, ['-m', 'venv', '--without-pip', noPaddle])
  const cases: [Partial<Record<string, string>>, RegExp, string?][] = [
    [{PATH: await folderFor(t)}, /^make is not installed \(.*build-essential\)$/],
    [{PATH: await folderWith(t, 'make')}, /^there is no C\+\+ compiler, g\+\+ \(.*build-essential\)$/],
    [{CXX: 'no-such-compiler'}, /^the C\+\+ compiler `no-such-compiler` that CXX names does not run$/],
    [{}, /^there is no Paddle in .*venv\/bin\/python$/, join(noPaddle, 'bin', 'python')],
    [{CXX: 'g++ -include not-there.h'}, /^make failed: .*not-there\.h.*build\.log\)$/],
    [{VILBERT_TS_KERNELS: 'off'}, /^VILBERT_TS_KERNELS=off is set$/],
  ]
  for (const [env, reason, interpreter] of cases) {
    const folder = await folderFor(t)
    const result = await build(packageRoot, [folder], env, interpreter)
    t.like(result, {library: null, changed: false})
    t.regex(result.reason ?? '', reason)
    t.false(existsSync(join(folder, 'libvilbert_kernels.so')))
  }
})

onLinux('without the headers of oneDNN nothing is compiled, and the log says why', async (t) => {
  const folder = await folderFor(t, {headers: false})
  const env = {PIP_NO_INDEX: '1', PIP_FIND_LINKS: '', PIP_CONFIG_FILE: '/dev/null'}
  const result = await build(packageRoot, [folder], env)
  t.regex(result.reason ?? '', /^the headers of oneDNN cannot be fetched: .*onednn-devel/)
  t.regex(await readFile(join(folder, 'build.log'), 'utf8'), /^\$ .* --require-hashes .*\n[^]*onednn-devel/)
  t.false((await readdir(folder)).some((name) => name.startsWith('onednn')))
})

onLinux('a folder that cannot be written to is no failure either', async (t) => {
  const file = join(await folderFor(t), 'file')
  await writeFile(file, '')
  const result = await build(packageRoot, [join(file, 'build')], {})
  t.regex(result.reason ?? '', /ENOTDIR/)
})

test('doctor says whether the kernels are in use, and why not', async (t) => {
  const cases = [
    ['off', true, /^not in use, Paddle's own operators compute: VILBERT_TS_KERNELS=off switches them off$/],
    [
      '/nowhere.so',
      !isForThisMachine,
      /^not in use, Paddle's own operators compute: \/nowhere\.so is not there$/,
    ],
  ] as const
  for (const [VILBERT_TS_KERNELS, ok, value] of cases) {
    const doctor = await runCli(['doctor', '--json'], {env: {VILBERT_TS_KERNELS}})
    t.is(doctor.exitCode, 0)
    const {checks} = jsonOf(doctor) as {checks: {name: string; ok: boolean; value: string}[]}
    const check = checks.find(({name}) => name === 'kernels')
    t.is(check?.ok, ok)
    t.regex(check?.value ?? '', value)
  }
})

/** Runs a build in a process of its own, with settings of its own. */
async function build(
  root: string,
  folders: readonly string[],
  env: Readonly<Partial<Record<string, string>>>,
  interpreter = python,
): Promise<Built> {
  const program = join(packageRoot, 'test', 'fixtures', 'node', 'build-kernels.mjs')
  const {stdout} = await execa(process.execPath, [program, root, interpreter, ...folders], {
    env: {CXX: '', VILBERT_TS_KERNELS: '', NODE_ENV: '', ...env},
    timeout: 110_000,
  })
  return JSON.parse(stdout) as Built
}

async function fastestOf(count: number, run: () => Promise<Built>): Promise<Built> {
  const results: Built[] = []
  while (results.length < count) results.push(await run())
  return results.sort((one, other) => one.tookMs - other.tookMs)[0] as Built
}

/** A compiler that makes files of one line out of everything. */
async function fakeCompiler(t: ExecutionContext, version: string): Promise<string> {
  const file = join(await folderFor(t), 'fake-c++')
  await writeCompiler(file, version)
  return file
}

async function writeCompiler(file: string, version: string): Promise<void> {
  const script = `#!/bin/sh
case "$*" in *--version*) echo "fake ${version}"; exit;; esac
while [ $# -gt 1 ]; do [ "$1" = -o ] && echo "made by ${version}" >"$2"; shift; done
exit 0
`
  await writeFile(file, script)
  await chmod(file, 0o755)
}

/** An empty build folder, but for the headers of oneDNN: they are fetched once, by `npm run ready`. */
async function folderFor(t: ExecutionContext, {headers = true} = {}): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'kernels-'))
  t.teardown(() => rm(folder, {recursive: true, force: true}))
  if (headers) await giveHeaders(folder)
  return folder
}

async function giveHeaders(folder: string): Promise<void> {
  const {build: own} = kernelFolders()
  const name = existsSync(own) ? (await readdir(own)).find((each) => each.startsWith('onednn-')) : undefined
  if (name === undefined) return
  await mkdir(folder, {recursive: true})
  await symlink(join(own, name), join(folder, name))
}

/** A folder for PATH in which only these programs are found. */
async function folderWith(t: ExecutionContext, ...programs: readonly string[]): Promise<string> {
  const folder = await folderFor(t, {headers: false})
  const places = (process.env['PATH'] ?? '').split(delimiter)
  for (const program of programs) {
    const place = places.find((each) => existsSync(join(each, program)))
    if (place === undefined) throw new Error(`${program} is not on PATH`)
    await symlink(join(place, program), join(folder, program))
  }
  return folder
}
