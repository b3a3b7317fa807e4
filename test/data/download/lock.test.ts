import {spawnSync} from 'node:child_process'
import {existsSync, readdirSync} from 'node:fs'
import {writeFile} from 'node:fs/promises'
import {hostname} from 'node:os'
import {dirname, join} from 'node:path'
import {setTimeout as delay} from 'node:timers/promises'
import {pathToFileURL} from 'node:url'
import test from 'ava'
import {withFileLock} from '../../../src/data/download/lock.js'
import {packageRoot} from '../../../src/paths.js'
import {finished, startProgram} from '../../helpers/cli.js'
import {startFaultsServer} from '../../helpers/faults-server.js'
import {sha256Of} from '../../helpers/file-hash.js'
import {temporaryFolder} from '../../helpers/folders.js'

test('two processes that want one file ask for it once', async (t) => {
  const server = await startFaultsServer()
  t.teardown(() => server.stop())
  const dataRoot = await temporaryFolder(t)
  const source = {
    ...{id: 'file', datasets: ['test'], kind: 'features', purpose: 'A test.', licence: 'none'},
    urls: [server.url('/slow?ms=5').href],
    provides: ['file'],
  }
  const program = join(packageRoot, 'dist', 'test', 'helpers', 'download-program.js')
  const start = () => finished(startProgram(program, [dataRoot, JSON.stringify(source)]))
  const results = await Promise.all([start(), start(), start()])
  const statuses = results.map(({stdout}) => stdout.trim().split('\n').at(-1)).sort()
  t.deepEqual(statuses, ['fetched', 'present', 'present'])
  t.is(sha256Of(join(dataRoot, 'file')), server.sha256[0])
  t.is((await server.stats()).count['GET/slow'], 1)
})

test('work under a lock never overlaps, and the lock is gone afterwards', async (t) => {
  const path = join(await temporaryFolder(t), 'file')
  let running = 0
  const work = async (): Promise<void> => {
    running++
    t.is(running, 1)
    await delay(10)
    running--
  }
  await Promise.all(Array.from({length: 5}, () => withFileLock(path, work)))
  t.false(existsSync(`${path}.lock`))
})

test('the lock of a process that was killed is taken over at once', async (t) => {
  const path = join(await temporaryFolder(t), 'file')
  const {pid} = spawnSync(process.execPath, ['--version'])
  await writeFile(`${path}.lock`, `${hostname()} ${pid} x\n`)
  const startedAt = performance.now()
  t.is(await withFileLock(path, () => Promise.resolve('done')), 'done')
  t.true(performance.now() - startedAt < 5000)
})

test('a process that is killed while it takes a lock over leaves nothing for good', async (t) => {
  const path = join(await temporaryFolder(t), 'file')
  const {pid} = spawnSync(process.execPath, ['--version'])
  await writeFile(`${path}.lock`, `${hostname()} ${pid} x\n`)
  const module = join(packageRoot, 'dist', 'src', 'data', 'download', 'lock.js')
  const program = `
    import fs from 'node:fs/promises'
    import {syncBuiltinESMExports} from 'node:module'
    const {rename} = fs
    fs.rename = async (...names) => (await rename(...names), process.kill(process.pid, 'SIGKILL'))
    syncBuiltinESMExports()
    const {withFileLock} = await import(${JSON.stringify(pathToFileURL(module).href)})
    await withFileLock(${JSON.stringify(path)}, async () => {})`
  const {signal} = spawnSync(process.execPath, ['--input-type=module', '--eval', program])
  t.is(signal, 'SIGKILL')
  t.is(readdirSync(dirname(path)).length, 1, 'what the kill left')
  t.is(await withFileLock(path, () => Promise.resolve('done')), 'done')
  t.deepEqual(readdirSync(dirname(path)), [])
})

test('the lock of another machine is taken over when its owner shows no life', async (t) => {
  const path = join(await temporaryFolder(t), 'file')
  await writeFile(`${path}.lock`, 'elsewhere 1 x\n')
  const waits: string[] = []
  const onWait = (owner: string): number => waits.push(owner)
  t.is(await withFileLock(path, () => Promise.resolve('done'), {heartbeatMs: 60, onWait}), 'done')
  t.deepEqual(waits, ['elsewhere, process 1'])
})

test('whoever waits for a lock can be interrupted', async (t) => {
  const path = join(await temporaryFolder(t), 'file')
  await writeFile(`${path}.lock`, `${hostname()} ${process.pid} x\n`)
  const signal = AbortSignal.timeout(100)
  const work = withFileLock(path, () => Promise.resolve(), {signal})
  t.like(await t.throwsAsync(work), {exitCode: 130})
})
