import test from 'ava'

import type {Verification} from '../../src/verify/verify.js'
import {jsonOf, runCli} from '../helpers/cli.js'
import type {CliResult} from '../helpers/cli.js'
import {emptyFolder, filesBelow, pathOfCase} from '../helpers/hostile.js'
import {hostileCases, isAsDemanded} from '../helpers/verify-cases.js'

/** Times mean something only where nothing else runs; the readers' own are held by the tests in one process. */
const isQuiet = process.env['VILBERT_TS_QUIET_MACHINE'] === '1'
const madeFolder = emptyFolder()

for (const hostile of hostileCases) {
  test.serial(`vilbert-ts verify: ${hostile.id} (${hostile.kind}) ends in ${hostile.must}`, async (t) => {
    const cwd = emptyFolder()
    const args = ['verify', pathOfCase(hostile, madeFolder), '--as', hostile.reader, '--json']
    const {result, tookMs} = await quickest(async () =>
      runCli(args, {cwd, env: {VILBERT_TS_PYTHON: '/bin/false'}}),
    )
    if (isQuiet) t.true(tookMs < 2000)
    const [found] = jsonOf(result) as Verification[]
    t.is(isAsDemanded(hostile, found), undefined)
    t.is(result.exitCode, found?.ok === true ? 0 : 4)
    t.deepEqual(filesBelow(cwd), [])
  })
}

/** Up to three runs, because other work on the machine makes a single one say little about the program. */
async function quickest(run: () => Promise<CliResult>): Promise<{result: CliResult; tookMs: number}> {
  let best: {result: CliResult; tookMs: number} | undefined
  for (let attempt = 0; attempt < 3 && (best?.tookMs ?? Infinity) >= 2000; attempt++) {
    const startedMs = performance.now()
    const result = await run()
    const tookMs = performance.now() - startedMs
    if (best === undefined || tookMs < best.tookMs) best = {result, tookMs}
  }
  if (best === undefined) throw new Error('nothing ran')
  return best
}
