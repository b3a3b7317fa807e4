import test, {type ExecutionContext} from 'ava'
import {execa} from 'execa'
import {existsSync, readFileSync} from 'node:fs'
import {mkdir, mkdtemp, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {setTimeout as delay} from 'node:timers/promises'
import {packageRoot} from '../../src/paths.js'
import {withLock} from '../../src/setup/lock.mjs'
import {isInstalled} from '../../src/setup/node-modules.mjs'
import {unsupportedNode} from '../../src/setup/node-version.mjs'
import {allOutputsExist, sourcesHash, staleOutputs} from '../../src/setup/source-tree.mjs'

test('ready does nothing in a clone that is ready, within two seconds', async (t) => {
  const durationsMs: number[] = []
  while (durationsMs.length < 3 && !durationsMs.some((durationMs) => durationMs < 2000)) {
    const startedAtMs = Date.now()
    const {stdout, stderr} = await execa(process.execPath, ['src/setup/ready.mjs'], {cwd: packageRoot})
    durationsMs.push(Date.now() - startedAtMs)
    t.is(stdout, '')
    t.regex(stderr, /^(?:kernels: none, .*\n)?ready \(\d+\.\d s\)$/)
  }
  t.true(Math.min(...durationsMs) < 2000, durationsMs.join(', '))
})

test('an old Node is named with what is needed', (t) => {
  t.is(unsupportedNode('18.20.4'), 'This is Node 18.20.4, but vilbert-ts needs Node 20.19 or newer.')
  t.is(unsupportedNode('20.18.1'), 'This is Node 20.18.1, but vilbert-ts needs Node 20.19 or newer.')
  t.is(unsupportedNode('20.19.0'), undefined)
  t.is(unsupportedNode('24.0.0'), undefined)
})

test('installed npm packages are compared with the lock file, one by one', async (t) => {
  const root = await folderFor(t)
  const packages = {
    '': {},
    'node_modules/a': {version: '1.0.0', integrity: 'x'},
    'node_modules/b': {version: '1.0.0', optional: true},
  }
  await writeJson(join(root, 'package-lock.json'), {packages})
  t.false(isInstalled(root))
  await mkdir(join(root, 'node_modules', 'a'), {recursive: true})
  const installed = join(root, 'node_modules', '.package-lock.json')
  await writeJson(installed, {packages: {'node_modules/a': packages['node_modules/a']}})
  t.true(isInstalled(root))
  await writeJson(installed, {packages: {'node_modules/a': {version: '0.9.0', integrity: 'x'}}})
  t.false(isInstalled(root))
  await writeJson(installed, {packages: {'node_modules/a': packages['node_modules/a']}})
  await rm(join(root, 'node_modules', 'a'), {recursive: true})
  t.false(isInstalled(root))
})

test('a build is needed when a source changes, and what belongs to no source is stale', async (t) => {
  const root = await folderFor(t)
  for (const folder of ['src', 'commands', 'dist/src', 'dist/commands'])
    await mkdir(join(root, folder), {recursive: true})
  for (const file of ['tsconfig.json', 'package-lock.json', 'src/a.ts', 'src/b.mjs'])
    await writeFile(join(root, file), '')
  const before = sourcesHash(root)
  t.false(allOutputsExist(root))
  for (const file of ['a.js', 'a.d.ts', 'a.js.map', 'b.mjs', 'b.d.mts'])
    await writeFile(join(root, 'dist/src', file), '')
  t.true(allOutputsExist(root))
  await writeFile(join(root, 'dist/commands/gone.js'), '')
  t.deepEqual(staleOutputs(root), [join('commands', 'gone.js')])
  await writeFile(join(root, 'src/a.ts'), 'export {}')
  t.not(sourcesHash(root), before)
})

test('one process at a time has the lock, and that of a dead process is taken over', async (t) => {
  const lock = join(await folderFor(t), 'sub', 'lock')
  const order: string[] = []
  const first = withLock(lock, async () => {
    t.is(readFileSync(lock, 'utf8'), String(process.pid))
    await delay(300)
    order.push('first')
  })
  const waited: number[] = []
  await withLock(
    lock,
    () => Promise.resolve(order.push('second')),
    (pid) => waited.push(pid),
  )
  await first
  t.deepEqual([order, waited], [['first', 'second'], [process.pid]])
  const dead = await execa(process.execPath, ['-e', 'console.log(process.pid)'])
  await writeFile(lock, dead.stdout)
  t.is(await withLock(lock, () => Promise.resolve('taken over')), 'taken over')
  t.false(existsSync(lock))
})

async function folderFor(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ready-'))
  t.teardown(() => rm(folder, {recursive: true}))
  return folder
}

async function writeJson(file: string, value: unknown): Promise<void> {
  await writeFile(file, JSON.stringify(value))
}
