import {hash, randomBytes} from 'node:crypto'
import {readFileSync, statSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {setTimeout as delay} from 'node:timers/promises'
import test, {type ExecutionContext} from 'ava'
import {copyParts} from '../../src/checkpoint/copy-parts.js'
import type {Part} from '../../src/checkpoint/part-copier.js'
import {InterruptedError} from '../../src/errors.js'
import {temporaryFolder} from '../helpers/folders.js'

/** Below this size parts are copied in this thread, above it by workers. */
const sizes = {small: 3 << 20, large: 40 << 20}

for (const [name, sizeBytes] of Object.entries(sizes)) {
  test(`parts of two files end where they should, and each has its hash (${name})`, async (t) => {
    const {target, parts} = await sourcesOf(t, sizeBytes)
    let told = 0
    const hashes = await copyParts(target, parts, {onBytes: (bytes) => (told += bytes)})
    t.is(told, sizeBytes)
    const copied = readFileSync(target)
    t.is(copied.length, sizeBytes)
    for (const [index, {file, offset, lengthBytes, to}] of parts.entries()) {
      const wanted = readFileSync(file).subarray(offset, offset + lengthBytes)
      t.true(copied.subarray(to, to + lengthBytes).equals(wanted))
      t.is(hashes[index], hash('sha256', wanted))
    }
  })

  test(`a file that became shorter is said to be so (${name})`, async (t) => {
    const {target, parts} = await sourcesOf(t, sizeBytes)
    const beyond = parts.map((part, index) => (index === 2 ? {...part, offset: 2 * sizeBytes} : part))
    const copying = copyParts(target, beyond, {onBytes: () => undefined})
    t.like(await t.throwsAsync(copying), {code: 'E_TRUNCATED', exitCode: 4})
  })
}

test('copying that is interrupted ends soon, and then nothing is written any more', async (t) => {
  const {target, parts} = await sourcesOf(t, sizes.large)
  const stop = new AbortController()
  const copying = copyParts(target, parts, {
    signal: stop.signal,
    onBytes: () => {
      stop.abort()
    },
  })
  await t.throwsAsync(copying, {instanceOf: InterruptedError})
  const {mtimeMs} = statSync(target)
  await delay(300)
  t.is(statSync(target).mtimeMs, mtimeMs)
})

/** Two files of random bytes, and parts that put every second one of their pieces first. */
async function sourcesOf(
  t: ExecutionContext,
  sizeBytes: number,
): Promise<{target: string; parts: readonly Part[]}> {
  const sources = await temporaryFolder(t)
  const files = ['one', 'two'].map((name) => join(sources, name))
  for (const file of files) writeFileSync(file, randomBytes(sizeBytes / 2))
  const count = 8
  const lengthBytes = sizeBytes / 2 / count
  const parts = files.flatMap((file, which) =>
    Array.from({length: count}, (_, index) => {
      const place = {file, offset: index * lengthBytes, lengthBytes}
      return {...place, to: (2 * ((index * 3) % count) + which) * lengthBytes}
    }),
  )
  const target = join(sources, 'target')
  writeFileSync(target, '')
  return {target, parts}
}
