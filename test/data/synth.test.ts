import {mkdtemp, readdir, readFile, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import test, {type ExecutionContext} from 'ava'
import {BridgeCancelledError} from '../../src/bridge/errors.js'
import {Bridge} from '../../src/bridge/bridge.js'
import {synthesize, type SynthProgress} from '../../src/data/synth.js'
import {ConfigError} from '../../src/errors.js'
import {python} from '../helpers/python.js'

test('a world is made with progress, counted, and lies where it was asked for', async (t) => {
  const {bridge, folder} = await workplace(t)
  const events: SynthProgress[] = []
  const work = synthesize(bridge, {output: join(folder, 'world'), images: 12, seed: 1})
  let step = await work.next()
  for (; step.done !== true; step = await work.next()) events.push(step.value)
  const {output, splitBy, images, refs, expressions} = step.value
  t.deepEqual(
    events.map(({done, total}) => [done, total]),
    [
      [0, 12],
      [10, 12],
      [12, 12],
    ],
  )
  t.like({output, splitBy, images}, {output: join(folder, 'world'), splitBy: 'unc', images: 12})
  t.deepEqual(Object.keys(expressions), ['train', 'val', 'testA', 'testB'])
  t.true(refs >= 24)
  t.deepEqual((await readdir(output)).sort(), [
    'images',
    'refcoco+',
    'refcoco+_gt_resnet101_faster_rcnn_genome.lmdb',
    'refcoco+_resnet101_faster_rcnn_genome.lmdb',
    'synth.json',
  ])
})

test('a cancelled world leaves nothing behind', async (t) => {
  const {bridge, folder} = await workplace(t)
  const cancel = new AbortController()
  const work = synthesize(bridge, {
    output: join(folder, 'world'),
    images: 5000,
    seed: 1,
    signal: cancel.signal,
  })
  await work.next()
  await work.next()
  t.is((await readdir(folder)).length, 1)
  cancel.abort()
  await t.throwsAsync(work.next(), {instanceOf: BridgeCancelledError})
  t.deepEqual(await readdir(folder), [])
})

test('a loop that is left early leaves nothing behind', async (t) => {
  const {bridge, folder} = await workplace(t)
  for await (const {done} of synthesize(bridge, {output: join(folder, 'world'), images: 5000, seed: 1})) {
    if (done > 0) break
  }
  t.deepEqual(await readdir(folder), [])
})

test('a folder with other things in it is refused and kept, even when forced', async (t) => {
  const {bridge, folder} = await workplace(t)
  await writeFile(join(folder, 'thesis.txt'), 'ten years of work')
  const error = await t.throwsAsync(
    synthesize(bridge, {output: folder, images: 4, seed: 1, force: true}).next(),
    {instanceOf: ConfigError},
  )
  t.regex(error.message, /is not empty and holds no synth\.json/)
  t.is(error.next, 'Pass an empty or a new folder as --output.')
  t.is(await readFile(join(folder, 'thesis.txt'), 'utf8'), 'ten years of work')
})

/** A bridge and an empty folder for one test. */
async function workplace(t: ExecutionContext): Promise<{bridge: Bridge; folder: string}> {
  const folder = await mkdtemp(join(tmpdir(), 'vilbert-synth-'))
  const bridge = new Bridge({python})
  t.teardown(async () => {
    await bridge.close()
    await rm(folder, {recursive: true, force: true})
  })
  return {bridge, folder}
}
