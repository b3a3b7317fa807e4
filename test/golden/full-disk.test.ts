import {readdir, truncate} from 'node:fs/promises'
import {join} from 'node:path'
import test from 'ava'
import {execa} from 'execa'
import {jsonOf} from '../helpers/cli.js'
import {makeWorkplace} from '../helpers/damage.js'
import {assertGoesOn, startMidRun} from '../helpers/mid-run.js'
import {hasPrlimit} from '../helpers/prlimit.js'

test('files that may not grow any more end a run in a sentence, and it can be resumed bit by bit', async (t) => {
  if (!(await hasPrlimit(t))) return
  const place = await makeWorkplace(t)
  const run = await startMidRun(t, place, join(place.folder, 'run'))
  await execa('prlimit', ['--pid', `${run.pythonPid}`, '--fsize=20000'])
  const end = await run.end()
  t.is(end.exitCode, 4, end.stdout + end.stderr)
  t.like(jsonOf(end), {error: {exitCode: 4}})
  t.regex(end.stdout, /cannot be (saved in|written).*: File too large\./)
  await assertGoesOn(t, place, run.folder)
})

test('a feature store that is cut off in mid-run ends it in a sentence; it is made anew on resume', async (t) => {
  const place = await makeWorkplace(t)
  const run = await startMidRun(t, place, join(place.folder, 'run'))
  const cache = join(place.dataRoot, '.vilbert-ts')
  const store = (await readdir(cache)).find((name) => /^detected.*\.safetensors$/.test(name)) ?? ''
  await truncate(join(cache, store), 4096)
  const end = await run.end()
  t.is(end.exitCode, 4, end.stdout + end.stderr)
  t.like(jsonOf(end), {error: {code: 'E_STORE_CUT', exitCode: 4}})
  t.regex(end.stdout, /detected-.*\.safetensors got shorter while it was read\./)
  await assertGoesOn(t, place, run.folder)
})
