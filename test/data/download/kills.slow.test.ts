import {createHash} from 'node:crypto'
import {existsSync, readdirSync, readFileSync} from 'node:fs'
import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {pathToFileURL} from 'node:url'
import test from 'ava'
import {startFaultsServer} from '../../helpers/faults-server.js'
import {sha256Of} from '../../helpers/file-hash.js'
import {temporaryFolder} from '../../helpers/folders.js'
import {killAndResume} from '../../helpers/kills.js'
import {zipOf} from '../../helpers/zip.js'

const common = {id: 'file', datasets: ['test'], kind: 'features', purpose: 'A test.', licence: 'none'}

test('50 kills at random moments of a download: what has the final name is always the right file', async (t) => {
  const server = await startFaultsServer()
  t.teardown(() => server.stop())
  await killAndResume(t, {
    kills: 50,
    seed: 2,
    spanMs: 450,
    source: {...common, urls: [server.url('/slow?ms=5').href], provides: ['folder/data.bin']},
    check: (dataRoot) => {
      const path = join(dataRoot, 'folder', 'data.bin')
      if (existsSync(path)) t.is(sha256Of(path), server.sha256[0])
    },
  })
})

test('50 kills at random moments of unpacking: what has a final name is always whole', async (t) => {
  const folder = await temporaryFolder(t)
  const names = Array.from({length: 300}, (_, index) => `pictures/${index}.bin`)
  const contents = names.map((name) => createHash('sha512').update(name).digest())
  const zip = zipOf(
    Object.fromEntries(names.map((name, index) => [name, contents[index] ?? Buffer.alloc(0)])),
  )
  await writeFile(join(folder, 'pictures.zip'), zip)
  await killAndResume(t, {
    kills: 50,
    seed: 3,
    spanMs: 700,
    source: {
      ...common,
      urls: [pathToFileURL(join(folder, 'pictures.zip')).href],
      fileName: 'pictures.zip',
      archive: {},
      provides: ['pictures'],
    },
    check: (dataRoot) => {
      const pictures = join(dataRoot, 'pictures')
      if (!existsSync(pictures)) return
      t.is(readdirSync(pictures).length, names.length)
      t.true(
        names.every((name, index) =>
          readFileSync(join(dataRoot, name)).equals(contents[index] ?? Buffer.alloc(0)),
        ),
      )
    },
  })
})
