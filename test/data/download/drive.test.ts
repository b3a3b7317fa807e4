import {existsSync} from 'node:fs'
import {readdir} from 'node:fs/promises'
import {join} from 'node:path'
import test, {type ExecutionContext} from 'ava'
import {fetchFile, type Fetched} from '../../../src/data/download/fetch-file.js'
import {Transports} from '../../../src/data/download/transports.js'
import {pythonRoot} from '../../../src/paths.js'
import {startFaultsServer, type FaultsServer} from '../../helpers/faults-server.js'
import {sha256Of} from '../../helpers/file-hash.js'
import {temporaryFolder} from '../../helpers/folders.js'
import {python, pythonFixtures} from '../../helpers/python.js'

let faults: FaultsServer
test.before(async () => {
  faults = await startFaultsServer()
})
test.after.always(async () => {
  await faults.stop()
})

test('gdown passes the page that asks for a confirmation, and the file is checked', async (t) => {
  const {value, error, path} = await fromDrive(t, '/drive', faults.sha256[0])
  t.is(error, undefined)
  t.is(value?.sha256, faults.sha256[0])
  t.is(sha256Of(path), faults.sha256[0])
  t.deepEqual(await readdir(join(path, '..')), ['file'])
})

test('a file of Drive that is not the one whose hash is known does not get its name', async (t) => {
  const {error, path} = await fromDrive(t, '/drive', faults.sha256[1])
  t.like(error, {code: 'E_DL_CHECKSUM', exitCode: 6})
  t.false(existsSync(path))
})

test('a page in place of the file is an error that says what to do', async (t) => {
  const {error, path} = await fromDrive(t, '/html')
  t.like(error, {code: 'E_DL_DRIVE', exitCode: 6})
  t.regex(String((error as {next?: string}).next), /--from/)
  t.false(existsSync(path))
})

test('a file of Drive that is gone is an error at once', async (t) => {
  const {error} = await fromDrive(t, '/404')
  t.like(error, {exitCode: 6})
})

async function fromDrive(
  t: ExecutionContext,
  drivePath: string,
  sha256?: string,
): Promise<{value?: Fetched; error?: unknown; path: string}> {
  const path = join(await temporaryFolder(t), 'file')
  await using transports = new Transports({
    findPython: () => Promise.resolve(python),
    pythonPath: [pythonFixtures, pythonRoot],
    env: {DRIVE_ORIGIN: faults.origin, DRIVE_PATH: drivePath},
    driveFunction: 'drive_on_loopback:fetch_drive',
  })
  try {
    const value = await fetchFile({
      urls: [new URL('https://drive.google.com/uc?id=X')],
      path,
      expected: {sha256},
      transportFor: transports.for,
      ...{attempts: 2, backOffMs: 5, timeoutMs: 5000},
    })
    return {value, path}
  } catch (error) {
    return {error, path}
  }
}
