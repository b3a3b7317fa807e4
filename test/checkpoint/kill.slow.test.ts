import test from 'ava'
import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {existsSync, readdirSync} from 'node:fs'
import {join} from 'node:path'
import {setTimeout as delay} from 'node:timers/promises'

import {convertCheckpoint} from '../../src/checkpoint/convert.js'
import {metadataForm} from '../../src/checkpoint/metadata.js'
import {readSidecar} from '../../src/checkpoint/sidecar.js'
import {indexWeights} from '../../src/checkpoint/tensor-index.js'
import {loadModelConfig} from '../../src/config/load.js'
import {packageRoot, pythonRoot} from '../../src/paths.js'
import {verifyPaths} from '../../src/verify/verify.js'
import {describeTensors, goldenFolder} from '../helpers/checkpoint.js'
import {cliFile} from '../helpers/cli.js'
import {emptyFolder} from '../helpers/hostile.js'
import {python, pythonFixtures, seededRandom} from '../helpers/python.js'

const golden = join(goldenFolder, 'weights.pdparams')
const config = await loadModelConfig(join(goldenFolder, 'config.json'))
const kills = 100

for (const ending of ['.safetensors', '.pdparams', '.json']) {
  test.serial(`a conversion to ${ending} that is killed leaves the old file or the new one`, async (t) => {
    const folder = emptyFolder()
    const output = join(folder, `model${ending}`)
    const half = join(emptyFolder(), 'half.safetensors')
    await convertCheckpoint({input: golden, output: half, dtype: 'float16'})
    await convertCheckpoint({input: golden, output})
    const versions = [describeTensors(golden), describeTensors(half)].map((version) =>
      JSON.stringify(version),
    )
    const random = seededRandom(ending.length)
    const seen = new Set<number>()
    for (let kill = 0; kill < Math.ceil(kills / 3); kill++) {
      // Starting takes most of the time, so the moments are spread over the end of it and the work behind.
      const input = kill % 2 === 0 ? half : golden
      await killed(process.execPath, [cliFile, 'checkpoint', 'convert', input, output], 150 + random() * 700)
      seen.add(versions.indexOf(JSON.stringify(describeTensors(output))))
    }
    t.false(seen.has(-1))
    t.log([...seen].join())
    await convertCheckpoint({input: golden, output})
    const left = readdirSync(folder).filter((name) => name.endsWith('.tmp'))
    t.deepEqual(left, [])
    t.true((await verifyPaths({paths: [folder]})).every(({ok}) => ok))
    t.true(readdirSync(folder).length <= 3)
  })
}

test.serial(
  'a save that is killed leaves the old file or the new one, and a JSON of another one is noticed',
  async (t) => {
    const folder = emptyFolder()
    const output = join(folder, 'last.pdparams')
    const half = join(emptyFolder(), 'half.safetensors')
    await convertCheckpoint({input: golden, output: half, dtype: 'float16'})
    await convertCheckpoint({input: half, output: half.replace('half', 'rounded'), dtype: 'float32'})
    const files = [golden, half.replace('half', 'rounded')]
    const sidecar = {
      schema: metadataForm,
      config,
      producer: {name: 'vilbert-ts'},
      training: null,
      metrics: null,
    }
    const weights = await Promise.all(files.map(async (file) => indexWeights(file)))
    const request = JSON.stringify({config, weights, output, sidecar})
    const program =
      'import json, sys; from checkpoint_twin import save_for_ever; save_for_ever(json.loads(sys.argv[1]))'
    const versions = files.map((file) => JSON.stringify(describeTensors(file).sort()))
    const random = seededRandom(2)
    const states = new Map<string, number>()
    for (let kill = 0; kill < kills; kill++) {
      const readyFile = kill === 0 ? output : undefined
      await killed(python, ['-c', program, request], random() * 60, async () => saving(folder, readyFile))
      t.true(versions.includes(JSON.stringify(describeTensors(output).sort())))
      const state = existsSync(join(folder, 'last.json')) ? String(readSidecar(output)?.isCurrent) : 'none'
      states.set(state, (states.get(state) ?? 0) + 1)
    }
    t.log([...states].map((pair) => pair.join(': ')).join(', '))
    await convertCheckpoint({input: golden, output})
    t.deepEqual(
      readdirSync(folder).filter((name) => name.endsWith('.tmp')),
      [],
    )
  },
)

/** Starts a program, waits until it is where it is to be hit, and kills it. */
async function killed(
  command: string,
  args: readonly string[],
  afterMs: number,
  ready: () => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const child = spawn(command, args, {
    stdio: 'ignore',
    cwd: packageRoot,
    env: {...process.env, NODE_ENV: '', PYTHONPATH: `${pythonRoot}:${pythonFixtures}`},
  })
  const ended = once(child, 'exit')
  await ready()
  await delay(afterMs)
  child.kill('SIGKILL')
  await ended
}

// Importing Paddle takes seconds: a file that is being written says that saving has begun.
async function saving(folder: string, whole: string | undefined): Promise<void> {
  const before = new Set(readdirSync(folder).filter((name) => name.endsWith('.tmp')))
  for (;;) {
    const begun = readdirSync(folder).some((name) => name.endsWith('.tmp') && !before.has(name))
    if (whole === undefined ? begun : existsSync(whole)) return
    await delay(2)
  }
}
