import {cp, mkdir, rm} from 'node:fs/promises'
import {join} from 'node:path'
import test, {type ExecutionContext} from 'ava'
import {execa} from 'execa'
import {jsonOf, runCli} from '../helpers/cli.js'
import {makeWorkplace} from '../helpers/damage.js'
import {assertGoesOn, startMidRun} from '../helpers/mid-run.js'

test.serial(
  'a disk that gets full in mid-run ends it in a sentence, and it can be resumed bit by bit',
  async (t) => {
    const place = await makeWorkplace(t)
    const disk = join(place.folder, 'disk')
    await mkdir(disk)
    if (!(await mounted(t, ['-t', 'tmpfs', '-o', 'size=100m', 'tmpfs', disk], disk))) return
    const run = await startMidRun(t, place, join(disk, 'run'))
    await execa('dd', ['if=/dev/zero', `of=${join(disk, 'filler')}`, 'bs=64k'], {reject: false})
    const end = await run.end()
    t.is(end.exitCode, 4, end.stdout + end.stderr)
    t.regex(end.stdout, /cannot be (saved in|written).*: No space left on device\./)
    await rm(join(disk, 'filler'))
    await assertGoesOn(t, place, run.folder)
  },
)

test.serial('a folder that becomes read-only in mid-run ends it in a sentence', async (t) => {
  const place = await makeWorkplace(t)
  const run = await startMidRun(t, place, join(place.folder, 'run'))
  if (!(await mounted(t, ['--bind', run.folder, run.folder], run.folder))) return
  await execa('mount', ['-o', 'remount,bind,ro', run.folder])
  const end = await run.end()
  t.is(end.exitCode, 4, end.stdout + end.stderr)
  t.regex(end.stdout, /The state of step \d+ cannot be saved in .*: Read-only file system\./)
  const again = await runCli(['train', '--resume', run.folder, '--json'])
  t.is(again.exitCode, 4)
  t.regex(again.stdout, /cannot be written: Read-only file system\./)
  await execa('umount', [run.folder])
  await assertGoesOn(t, place, run.folder)
})

test.serial('data that are removed in mid-run do not hurt it; without them it is not resumed', async (t) => {
  const place = await makeWorkplace(t)
  const run = await startMidRun(t, place, join(place.folder, 'run'))
  const copy = join(place.folder, 'copy')
  await cp(place.dataRoot, copy, {recursive: true})
  await rm(place.dataRoot, {recursive: true})
  run.interrupt()
  t.is((await run.end()).exitCode, 130)
  const again = await runCli(['train', '--resume', run.folder, '--json'])
  t.is(again.exitCode, 4)
  t.like(jsonOf(again), {error: {exitCode: 4}})
  t.true(again.stdout.includes(place.dataRoot))
  await cp(copy, place.dataRoot, {recursive: true})
  await assertGoesOn(t, place, run.folder)
})

test('a folder that cannot be made is told before anything is computed', async (t) => {
  const place = await makeWorkplace(t)
  const settings = ['--data-root', place.dataRoot, '--config', place.config, '--json']
  for (const output of [join(place.weights, 'run'), '/proc/no-run']) {
    const end = await runCli(['train', ...settings, '--output-dir', output])
    t.is(end.exitCode, 3)
    t.true(
      (jsonOf(end) as {error: {message: string}}).error.message.startsWith(
        `The folder ${output} cannot be made`,
      ),
    )
  }
})

/** Mounts for the time of the test; says so and gives false where that is not allowed. */
async function mounted(t: ExecutionContext, args: readonly string[], folder: string): Promise<boolean> {
  const {failed, shortMessage} = await execa('mount', args, {reject: false})
  if (failed) {
    t.log(`skipped: ${shortMessage ?? 'nothing can be mounted here'}`)
    t.pass()
    return false
  }
  t.teardown(async () => {
    await execa('umount', ['--lazy', folder], {reject: false})
  })
  return true
}
