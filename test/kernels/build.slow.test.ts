import {cp, readdir, readFile, stat} from 'node:fs/promises'
import {join} from 'node:path'
import test from 'ava'
import {packageRoot} from '../../src/paths.js'
import {jsonOf} from '../helpers/cli.js'
import {installPackage} from '../helpers/installed-package.js'
import {buildIn, canBuild, giveHeaders, type Built} from '../helpers/kernels-build.js'
import {python} from '../helpers/python.js'

/** Times mean something only where nothing else runs. */
const isQuiet = process.env['VILBERT_TS_QUIET_MACHINE'] === '1'
const onLinux = canBuild ? test : test.skip

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
    const first = await buildIn(installed.folder, [], env)
    t.is(first.reason, null)
    t.like(first, {library: join(folder, 'libvilbert_kernels.so'), changed: true, starts: 1})
    const note = await readFile(join(folder, 'libvilbert_kernels.txt'), 'utf8')
    t.regex(note, /^interface: \d+\npaddle: 3\.3\.1\nprocessor: .*\bsse2\b.*\nself-test: passed\n$/)
    t.deepEqual((await readdir(join(installed.folder, 'python', 'kernels'))).includes('build'), false)
    const log = await readFile(join(folder, 'build.log'), 'utf8')
    t.regex(log, /matmul\.cc/)

    const before = await stat(join(folder, 'libvilbert_kernels.so'))
    const again = await fastestOf(3, () => buildIn(installed.folder, [], env))
    t.like(again, {reason: null, changed: false, starts: 0})
    const limitMs = isQuiet ? 1000 : 5000
    t.true(again.tookMs < limitMs, `${again.tookMs} ms`)
    t.is((await stat(join(folder, 'libvilbert_kernels.so'))).mtimeMs, before.mtimeMs)
    t.is(await readFile(join(folder, 'build.log'), 'utf8'), log)

    const doctor = await installed.run(['doctor', '--json', '--python', python], {env})
    const {checks} = jsonOf(doctor) as {checks: {name: string; value: string}[]}
    t.regex(checks.find(({name}) => name === 'kernels')?.value ?? '', /^in use, .*kernels-0\.1\.0/)
  },
)

async function fastestOf(count: number, run: () => Promise<Built>): Promise<Built> {
  const results: Built[] = []
  while (results.length < count) results.push(await run())
  return results.sort((one, other) => one.tookMs - other.tookMs)[0] as Built
}
