import {existsSync} from 'node:fs'
import {chmod, mkdtemp, readdir, readFile, rm, symlink, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {delimiter, join} from 'node:path'
import test, {type ExecutionContext} from 'ava'
import {execa} from 'execa'
import {packageRoot} from '../../src/paths.js'
import {jsonOf, runCli} from '../helpers/cli.js'
import {buildIn, canBuild, giveHeaders} from '../helpers/kernels-build.js'
import {python} from '../helpers/python.js'

const onLinux = canBuild ? test : test.skip

onLinux(
  'a library that fails its self-test is not used, and is built anew by another compiler',
  async (t) => {
    const folder = await folderFor(t)
    const CXX = await fakeCompiler(t, '1.0')
    const first = await buildIn(packageRoot, [folder], {CXX})
    t.is(first.library, null)
    t.regex(first.reason ?? '', /^they failed their self-test \(.*cannot be loaded: /)
    const log = await readFile(join(folder, 'build.log'), 'utf8')
    t.regex(await readFile(join(folder, 'libvilbert_kernels.txt'), 'utf8'), /^self-test: .*cannot be loaded/m)

    const again = await buildIn(packageRoot, [folder], {CXX})
    t.like(again, {library: null, reason: first.reason, starts: 0})
    t.is(await readFile(join(folder, 'build.log'), 'utf8'), log)

    await writeCompiler(CXX, '2.0')
    const renewed = await buildIn(packageRoot, [folder], {CXX})
    t.is(renewed.starts, 1)
    t.regex(await readFile(join(folder, 'made-with.txt'), 'utf8'), /^compiler: .*fake 2\.0$/m)
  },
)

onLinux('two builds at once do not disturb each other', async (t) => {
  const folder = await folderFor(t)
  const CXX = await fakeCompiler(t, '1.0')
  const results = await Promise.all([1, 2].map(() => buildIn(packageRoot, [folder], {CXX})))
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
    const result = await buildIn(packageRoot, [folder], env, interpreter)
    t.like(result, {library: null, changed: false})
    t.regex(result.reason ?? '', reason)
    t.false(existsSync(join(folder, 'libvilbert_kernels.so')))
  }
})

onLinux('without the headers of oneDNN nothing is compiled, and the log says why', async (t) => {
  const folder = await folderFor(t, {headers: false})
  const env = {PIP_NO_INDEX: '1', PIP_FIND_LINKS: '', PIP_CONFIG_FILE: '/dev/null'}
  const result = await buildIn(packageRoot, [folder], env)
  t.regex(result.reason ?? '', /^the headers of oneDNN cannot be fetched: .*onednn-devel/)
  t.regex(await readFile(join(folder, 'build.log'), 'utf8'), /^\$ .* --require-hashes .*\n[^]*onednn-devel/)
  t.false((await readdir(folder)).some((name) => name.startsWith('onednn')))
})

onLinux('a folder that cannot be written to is no failure either', async (t) => {
  const file = join(await folderFor(t), 'file')
  await writeFile(file, '')
  const result = await buildIn(packageRoot, [join(file, 'build')], {})
  t.regex(result.reason ?? '', /ENOTDIR/)
})

test('doctor says whether the kernels are in use, and why not', async (t) => {
  const cases = [
    ['off', true, /^not in use, Paddle's own operators compute: VILBERT_TS_KERNELS=off switches them off$/],
    ['/nowhere.so', !canBuild, /^not in use, Paddle's own operators compute: \/nowhere\.so is not there$/],
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
