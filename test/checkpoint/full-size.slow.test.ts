import test from 'ava'
import {execa} from 'execa'
import {open, rm} from 'node:fs/promises'
import {join} from 'node:path'

import {modelSpec} from '../../src/checkpoint/model-spec.js'
import {pdparamsSegments} from '../../src/checkpoint/pdparams-segments.js'
import {indexWeights} from '../../src/checkpoint/tensor-index.js'
import {writeSegments} from '../../src/checkpoint/write-segments.js'
import {loadModelConfig} from '../../src/config/load.js'
import {openAtomic} from '../../src/files.js'
import {elementCount} from '../../src/formats/dtypes.js'
import {goldenFolder, runFixture} from '../helpers/checkpoint.js'
import {emptyFolder} from '../helpers/hostile.js'
import {measured, type Measured} from '../helpers/measured.js'
import {seededRandom} from '../helpers/python.js'

const folder = emptyFolder()
const file = join(folder, 'full.pdparams')
/** Times mean something only where nothing else runs; elsewhere they are printed. */
const isQuiet = process.env['VILBERT_TS_QUIET_MACHINE'] === '1'
const weightBytes = 275_588_995 * 4

test.before(async () => {
  await writeFullModel(file)
})

test.after.always(async () => {
  await rm(folder, {recursive: true, force: true})
})

test.serial('inspect takes half a second and 150 MB, without Python', async (t) => {
  const runs: Measured[] = []
  const starts: number[] = []
  for (let time = 0; time < 5; time++) {
    runs.push(await measured(['checkpoint', 'inspect', file, '--json']))
    starts.push(await secondsOfNode())
  }
  const {seconds, peakMb} = best(runs)
  const start = Math.min(...starts)
  t.log(`${seconds.toFixed(2)} s (node -e 0: ${start.toFixed(2)} s), ${peakMb.toFixed(0)} MB`)
  // Nearly all of it is loading modules: where Node itself starts slowly, in more than 60 ms, it may take longer.
  if (isQuiet) t.true(seconds <= Math.max(0.5, 8 * start))
  t.true(peakMb <= 150)
})

test.serial('converting to safetensors takes 2.5 times as long as a flushed copy, and 400 MB', async (t) => {
  const copies: Measured[] = []
  const conversions: Measured[] = []
  for (let time = 0; time < 5; time++) {
    copies.push(await copied())
    conversions.push(await converted())
  }
  const copy = best(copies)
  const conversion = best(conversions)
  const ratio = conversion.seconds / copy.seconds
  t.log(
    `cp ${copy.seconds.toFixed(2)} s, convert ${conversion.seconds.toFixed(2)} s (${ratio.toFixed(2)} times), ` +
      `${conversion.peakMb.toFixed(0)} MB`,
  )
  t.true(conversion.peakMb <= 400)
  if (isQuiet) t.true(ratio <= 2.5)
})

test.serial('loading takes 1.15 times the memory of the weights, saving a tenth', async (t) => {
  const request = {
    config: await loadModelConfig(join(goldenFolder, 'config-full.json')),
    weights: await indexWeights(file),
    output: join(folder, 'saved.pdparams'),
  }
  const peaks = JSON.parse(await runFixture('peak_memory.py', JSON.stringify(request))) as {
    load: number
    save: number
  }
  t.log(
    `load ${(peaks.load / weightBytes).toFixed(3)}, save ${(peaks.save / weightBytes).toFixed(3)} of the weights`,
  )
  t.true(peaks.load <= 1.15 * weightBytes)
  t.true(peaks.save <= 0.15 * weightBytes)
})

/** cp, and what makes it last: our own files are flushed, too. */
async function secondsOfNode(): Promise<number> {
  const startedMs = performance.now()
  await execa(process.execPath, ['-e', '0'])
  return (performance.now() - startedMs) / 1000
}

async function copied(): Promise<Measured> {
  const target = join(folder, 'copy')
  const startedMs = performance.now()
  await execa('cp', [file, target])
  const handle = await open(target)
  await handle.sync()
  await handle.close()
  const seconds = (performance.now() - startedMs) / 1000
  await rm(target)
  return {seconds, peakMb: 0}
}

/** The new file is removed each time, as that of `cp` is: memory for a second one would first have to be found. */
async function converted(): Promise<Measured> {
  const target = join(folder, 'full.safetensors')
  const run = await measured(['checkpoint', 'convert', file, target])
  await rm(target)
  await rm(join(folder, 'full.json'))
  return run
}

function best(runs: readonly Measured[]): Measured {
  return runs.reduce((best, next) => (next.seconds < best.seconds ? next : best))
}

/** A model of the published size, its numbers from a seeded stream. */
async function writeFullModel(path: string): Promise<void> {
  const spec = modelSpec(await loadModelConfig(join(goldenFolder, 'config-full.json')))
  const random = seededRandom(5)
  const block = new Float32Array(1 << 18)
  for (let at = 0; at < block.length; at++) block[at] = (random() - 0.5) / 10
  const outputs = [...spec].map(([name, shape]) => ({
    name,
    path: [name],
    dtype: 'F32' as const,
    shape,
    raw: undefined,
    *pieces() {
      const start = Math.floor(random() * 1000)
      for (let left = elementCount(shape); left > 0; left -= block.length - start) {
        yield Buffer.from(block.buffer, start * 4, Math.min(left, block.length - start) * 4)
      }
    },
  }))
  await using target = await openAtomic(path)
  await writeSegments(target, pdparamsSegments(outputs, {nameTable: 'identity'}))
  await target.commit()
}
