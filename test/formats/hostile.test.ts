import test from 'ava'

import {VilbertError} from '../../src/errors.js'
import {emptyFolder, filesBelow, hostileManifest, pathOfCase, readWith} from '../helpers/hostile.js'

// A payload that ran would leave H5_MARKER_* in the current folder, so the tests stand in an empty one.
const standingFolder = emptyFolder()
const madeFolder = emptyFolder()
process.chdir(standingFolder)
const namesOfObject = Object.getOwnPropertyNames(Object.prototype).join()

test.after('nothing was written and no prototype was changed', (t) => {
  t.deepEqual(filesBelow(standingFolder), [])
  t.is(Object.getOwnPropertyNames(Object.prototype).join(), namesOfObject)
})

for (const hostile of hostileManifest.cases) {
  const {id, reader, kind, must, codes, names} = hostile
  test.serial(`${id} (${kind}): ${must}`, (t) => {
    const path = pathOfCase(hostile, madeFolder)
    const startedMs = performance.now()
    const rssBefore = process.memoryUsage.rss()
    let error: unknown
    try {
      const reading = readWith(reader, path, must === 'report')
      if (hostile.tensors !== undefined) t.is(reading.count, hostile.tensors)
      if (hostile.expect_raw !== undefined) t.is(reading.firstRaw, hostile.expect_raw)
    } catch (caught) {
      error = caught
    }
    t.true(performance.now() - startedMs < hostileManifest.seconds * 1000)
    t.true(process.memoryUsage.rss() - rssBefore < hostileManifest.rssMb * 2 ** 20)
    if (error === undefined) {
      t.true(must === 'accept' || must === 'either', 'the file was accepted')
      return
    }
    if (!(error instanceof VilbertError)) {
      t.fail(error instanceof Error ? error.stack : 'this is no error of ours')
      return
    }
    t.not(must, 'accept', error.message)
    t.true(
      codes.some((code) => code === '*' || error.code === code),
      `${error.code}: ${error.message}`,
    )
    t.is(error.exitCode, 4)
    t.notRegex(error.message, /[\0-\x1f\x7f-\x9f]/)
    for (const name of names) t.true(error.message.includes(name), `${error.message} does not name ${name}`)
  })
}
