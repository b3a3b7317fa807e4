import test from 'ava'
import {readFileSync} from 'node:fs'
import {join} from 'node:path'

import {verifyPaths} from '../../src/verify/verify.js'
import {emptyFolder, filesBelow, hostileFolder, pathOfCase} from '../helpers/hostile.js'
import {hostileCases, isAsDemanded} from '../helpers/verify-cases.js'

// A payload that ran would leave H5_MARKER_* in the current folder, so the tests stand in an empty one.
const standingFolder = emptyFolder()
const madeFolder = emptyFolder()
process.chdir(standingFolder)
const namesOfObject = Object.getOwnPropertyNames(Object.prototype).join()

test.after('nothing was written and no prototype was changed', (t) => {
  t.deepEqual(filesBelow(standingFolder), [])
  t.is(Object.getOwnPropertyNames(Object.prototype).join(), namesOfObject)
})

for (const hostile of hostileCases) {
  test.serial(`verify: ${hostile.id} (${hostile.kind}) ends in ${hostile.must}`, async (t) => {
    const path = pathOfCase(hostile, madeFolder)
    const startedMs = performance.now()
    const rssBefore = process.memoryUsage.rss()
    const [found] = await verifyPaths({paths: [path], as: hostile.reader})
    t.true(performance.now() - startedMs < 2000)
    t.true(process.memoryUsage.rss() - rssBefore < 256 * 2 ** 20)
    t.is(isAsDemanded(hostile, found), undefined)
    t.is(Reflect.get({}, 'polluted'), undefined)
  })
}

test('without a kind the files are taken for what they are', async (t) => {
  const manifest = JSON.parse(readFileSync(join(hostileFolder, 'metadata-manifest.json'), 'utf8')) as {
    cases: object[]
  }
  const found = await verifyPaths({paths: [hostileFolder]})
  const described = found.filter(({kind}) => kind === 'metadata')
  t.true(described.length > manifest.cases.length / 2)
  t.true(found.length > 150)
  t.true(found.every(({ok, code}) => ok === (code === null)))
})
