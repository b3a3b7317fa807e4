import {createHash} from 'node:crypto'
import {readFileSync, statSync} from 'node:fs'
import {join} from 'node:path'
import {gzipSync} from 'node:zlib'
import {writeFile} from 'node:fs/promises'
import test from 'ava'
import {unpackArchive} from '../../../src/data/download/unpack/unpack.js'
import {FormatError} from '../../../src/errors.js'
import {temporaryFolder} from '../../helpers/folders.js'
import {zipOf} from '../../helpers/zip.js'
import {settle} from '../../helpers/python.js'
import {filesBelow, hostileFolder} from '../../helpers/hostile.js'
import {downloadCases} from '../../helpers/download-cases.js'

for (const {id, file, kind, must, codes, limits} of downloadCases('archive')) {
  test(`${id}: ${kind}`, async (t) => {
    const outside = await temporaryFolder(t)
    const folder = join(outside, 'inside')
    const work = unpackArchive(join(hostileFolder, file), folder, {
      maxBytes: limits?.max_total,
      maxFiles: limits?.max_files,
      maxRatio: limits?.max_ratio,
    })
    const {error} = await settle(work)
    if (must === 'accept') t.is(error, undefined)
    if (must === 'reject') t.true(error instanceof FormatError)
    if (error !== undefined) {
      t.true(error instanceof FormatError && codes.includes(error.code))
      t.deepEqual(filesBelow(outside), [], 'nothing is left of a refused archive')
      return
    }
    t.true(filesBelow(outside).every((path) => path.startsWith('inside')))
    for (const path of filesBelow(folder)) {
      const {mode} = statSync(join(folder, path))
      t.is(mode & 0o7022, 0, `${path} has a mode of ours`)
    }
  })
}

test('a good zip and a good tar.gz give the same files, byte for byte', async (t) => {
  const contents = async (file: string): Promise<Record<string, string>> => {
    const folder = join(await temporaryFolder(t), 'out')
    await unpackArchive(join(hostileFolder, 'archive', file), folder)
    const files = filesBelow(folder).filter((path) => statSync(join(folder, path)).isFile())
    return Object.fromEntries(files.sort().map((path) => [path, sha256(readFileSync(join(folder, path)))]))
  }
  const zip = await contents('arc_good_zip.zip')
  t.deepEqual(await contents('arc_good_tgz.tar.gz'), zip)
  t.true(Object.keys(zip).length > 0)
})

test('a tar with long names (GNU and PAX), a prefix and a padded end is read', async (t) => {
  const long = `${'folder/'.repeat(20)}${'x'.repeat(120)}.txt`
  const pax = `path=ünï/${'y'.repeat(130)}`
  const tar = Buffer.concat([
    tarEntry('././@LongLink', Buffer.from(`${long}\0`), 'L'),
    tarEntry(long.slice(0, 99), Buffer.from('long')),
    tarEntry('PaxHeader', paxRecord(pax), 'x'),
    tarEntry('short', Buffer.from('pax')),
    tarEntry('./a/', Buffer.alloc(0), '5'),
    tarEntry('./a/b', Buffer.alloc(1000, 7)),
    Buffer.alloc(10_240),
  ])
  const outside = await temporaryFolder(t)
  await writeFile(join(outside, 'x.tar'), tar)
  await unpackArchive(join(outside, 'x.tar'), join(outside, 'out'))
  t.is(readFileSync(join(outside, 'out', long), 'utf8'), 'long')
  t.is(readFileSync(join(outside, 'out', pax.slice(5)), 'utf8'), 'pax')
  t.is(readFileSync(join(outside, 'out', 'a/b')).length, 1000)
})

test('a tar or tar.gz that is cut anywhere is refused', async (t) => {
  const outside = await temporaryFolder(t)
  const tar = Buffer.concat([
    tarEntry('a', Buffer.alloc(700, 1)),
    tarEntry('b', Buffer.alloc(5, 2)),
    Buffer.alloc(1024),
  ])
  const gzip = gzipSync(tar)
  const cuts = [1, 511, 512, 900, 1212, 1536, 2048, 2500].map((length) => tar.subarray(0, length))
  const gzipCuts = [20, gzip.length - 9, gzip.length - 1].map((length) => gzip.subarray(0, length))
  for (const cut of [...cuts, ...gzipCuts]) {
    await writeFile(join(outside, 'cut'), cut)
    await t.throwsAsync(unpackArchive(join(outside, 'cut'), join(outside, 'out')), {instanceOf: FormatError})
  }
  t.deepEqual(filesBelow(outside), ['cut'])
})

test('a gzip bomb behind the end of the tar counts too', async (t) => {
  const outside = await temporaryFolder(t)
  const bomb = gzipSync(
    Buffer.concat([tarEntry('a', Buffer.from('a')), Buffer.alloc(1024), Buffer.alloc(30_000_000)]),
  )
  await writeFile(join(outside, 'bomb'), bomb)
  const error = await t.throwsAsync(
    unpackArchive(join(outside, 'bomb'), join(outside, 'out'), {maxBytes: 1e6}),
  )
  t.like(error, {code: 'E_ARC_BOMB', exitCode: 4})
})

test('a zip whose entry has another name in its own header is refused', async (t) => {
  const outside = await temporaryFolder(t)
  const zip = zipOf({'good.txt': Buffer.from('hello')})
  zip.write('evil.txt', 30, 'latin1')
  await writeFile(join(outside, 'x.zip'), zip)
  const error = await t.throwsAsync(unpackArchive(join(outside, 'x.zip'), join(outside, 'out')))
  t.like(error, {code: 'E_ARC_BROKEN'})
})

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function tarEntry(name: string, content: Buffer, type = '0'): Buffer {
  const header = Buffer.alloc(512)
  header.write(name.slice(0, 100), 0, 'utf8')
  header.write('0000644\0', 100, 'latin1')
  header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124, 'latin1')
  header.write('        ', 148, 'latin1')
  header.write(type, 156, 'latin1')
  header.write('ustar\x0000', 257, 'latin1')
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return Buffer.concat([header, content, Buffer.alloc((512 - (content.length % 512)) % 512)])
}

function paxRecord(text: string): Buffer {
  const body = Buffer.from(` ${text}\n`)
  const guess = body.length + String(body.length).length
  const length = body.length + String(guess).length
  return Buffer.concat([Buffer.from(String(length)), body])
}
