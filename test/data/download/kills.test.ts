import {existsSync} from 'node:fs'
import {join} from 'node:path'
import test from 'ava'
import {startFaultsServer} from '../../helpers/faults-server.js'
import {sha256Of} from '../../helpers/file-hash.js'
import {killAndResume} from '../../helpers/kills.js'

test('a download that is killed six times is continued and gives the right file', async (t) => {
  const server = await startFaultsServer()
  t.teardown(() => server.stop())
  await killAndResume(t, {
    kills: 6,
    seed: 1,
    spanMs: 250,
    source: {
      ...{id: 'file', datasets: ['test'], kind: 'features', purpose: 'A test.', licence: 'none'},
      urls: [server.url('/slow?ms=5').href],
      provides: ['folder/data.bin'],
    },
    check: (dataRoot) => {
      const path = join(dataRoot, 'folder', 'data.bin')
      if (existsSync(path)) t.is(sha256Of(path), server.sha256[0])
    },
  })
  const {log} = await server.stats()
  t.true(
    log.some(({range, if_range: ifRange}) => range !== null && ifRange !== null),
    'it was continued',
  )
})
