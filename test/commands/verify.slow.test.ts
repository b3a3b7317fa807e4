import test from 'ava'

import type {Verification} from '../../src/verify/verify.js'
import {jsonOf, runCli} from '../helpers/cli.js'
import {emptyFolder, filesBelow, pathOfCase} from '../helpers/hostile.js'
import {hostileCases, isAsDemanded} from '../helpers/verify-cases.js'

const madeFolder = emptyFolder()

for (const hostile of hostileCases) {
  test.serial(`vilbert-ts verify: ${hostile.id} (${hostile.kind}) ends in ${hostile.must}`, async (t) => {
    const cwd = emptyFolder()
    const startedMs = performance.now()
    const result = await runCli(
      ['verify', pathOfCase(hostile, madeFolder), '--as', hostile.reader, '--json'],
      {cwd, env: {VILBERT_TS_PYTHON: '/bin/false'}},
    )
    t.true(performance.now() - startedMs < 2000)
    const [found] = jsonOf(result) as Verification[]
    t.is(isAsDemanded(hostile, found), undefined)
    t.is(result.exitCode, found?.ok === true ? 0 : 4)
    t.deepEqual(filesBelow(cwd), [])
  })
}
