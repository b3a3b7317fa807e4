import test from 'ava'
import {execFileSync} from 'node:child_process'
import {join} from 'node:path'

import {lmdbRegions} from '../../src/data/region-source.js'
import {buildRegions, readRegionImageIds} from '../../src/data/regions.js'
import {FileSource} from '../../src/formats/byte-source.js'
import {Lmdb} from '../../src/formats/lmdb.js'
import {readSafetensors} from '../../src/formats/safetensors.js'
import {emptyFolder} from '../helpers/hostile.js'
import {python, pythonFixtures} from '../helpers/python.js'

function writeLmdb(kind: 'tree' | 'regions', count: number): string {
  const folder = join(emptyFolder(), 'written.lmdb')
  execFileSync(python, [join(pythonFixtures, 'write_lmdb.py'), kind, folder, String(count)])
  return folder
}

const treeCount = 40_000
const valueOf = (number: number): string => `v${number}`.repeat(number % 50 === 0 ? 3000 : 1)

test('a deep tree that py-lmdb wrote and deleted from is read whole and in order', (t) => {
  using lmdb = new Lmdb(writeLmdb('tree', treeCount))
  let expected = 1
  for (const entry of lmdb.entries()) {
    if (Number(entry.key.toString()) !== expected || lmdb.read(entry).toString() !== valueOf(expected)) {
      t.fail(`entry ${expected}`)
    }
    expected += expected % 3 === 2 ? 2 : 1
  }
  t.is(expected, treeCount)
  for (let number = 0; number < treeCount; number += 997) {
    const entry = lmdb.find(Buffer.from(String(number).padStart(9, '0')))
    t.is(
      entry === undefined ? undefined : lmdb.read(entry).toString(),
      number % 3 === 0 ? undefined : valueOf(number),
    )
  }
})

test('values of all pickle protocols become one store, images by ascending id', async (t) => {
  const count = 120
  const store = join(emptyFolder(), 'store.safetensors')
  using regions = lmdbRegions(writeLmdb('regions', count))
  await buildRegions(regions, store, {stage: 'test', source: 'none', dtype: 'F32'})
  t.deepEqual(
    [...(readRegionImageIds(store) ?? [])],
    Array.from({length: count}, (_, index) => index + 1),
  )
  using source = new FileSource(store)
  const features = readSafetensors(source).tensors.find(({name}) => name === 'features')?.pieces[0]
  const bytes = features?.read(source) ?? Buffer.alloc(0)
  const firsts = Array.from({length: bytes.length / 8192}, (_, row) => bytes.readFloatLE(row * 8192))
  const expected = Array.from({length: count}, (_, index) =>
    new Array<number>(3 + ((index + 1) % 3) - 1).fill(index + 1),
  )
  t.deepEqual(firsts, expected.flat())
})
