import test from 'ava'
import {readdirSync} from 'node:fs'
import {join} from 'node:path'

import {FileSource} from '../../src/formats/byte-source.js'
import {readInstances} from '../../src/formats/instances.js'
import {Lmdb} from '../../src/formats/lmdb.js'
import {refuse} from '../../src/formats/problems.js'
import {readRefs} from '../../src/formats/refer.js'
import {RegionReader, regionEntries} from '../../src/formats/region-values.js'
import {packageRoot} from '../../src/paths.js'

const folder = join(packageRoot, 'test', 'fixtures', 'samples')
const files = readdirSync(folder)

for (const file of files.filter((name) => name.startsWith('refs_'))) {
  test(`${file} gives the refs that were written`, (t) => {
    using source = new FileSource(join(folder, file))
    const refs = readRefs(source, refuse)
    t.is(refs.length, 4)
    t.is(refs[0]?.refId, 0)
    t.is(refs[0]?.sentences[0]?.raw, file.includes('utf8') ? 'café sign' : 'navy blue shirt')
    t.is(refs[3]?.split, 'testB')
  })
}

test('instances.json gives images, boxes and categories', (t) => {
  using source = new FileSource(join(folder, 'instances.json'))
  const {images, annotations} = readInstances(source)
  t.is(annotations.size, 4)
  const image = images.get(581857)
  t.deepEqual([image?.width, image?.height], [640, 480])
})

for (const file of files.filter((name) => name.startsWith('lmdb_'))) {
  test(`${file} gives the regions of both images, by walking and by searching`, (t) => {
    using lmdb = new Lmdb(join(folder, file))
    const entries = regionEntries(lmdb, refuse)
    t.deepEqual([...entries.keys()], [441874, 581857])
    const reader = new RegionReader(lmdb, 2048)
    for (const [imageId, entry] of entries) {
      t.deepEqual(lmdb.find(Buffer.from(String(imageId))), entry)
      const regions = reader.read(imageId, entry, refuse)
      t.deepEqual([...regions.boxes.slice(0, 4)], [5, 6, 60, 80])
      t.is(regions.features.length, regions.count * 2048)
      t.is(regions.features[0], imageId === 441874 ? -0.08341602236032486 : 0.8947427272796631)
    }
    t.is(lmdb.find(Buffer.from('5')), undefined)
  })
}
