import {createHash} from 'node:crypto'
import {existsSync, readFileSync} from 'node:fs'
import {join} from 'node:path'
import test, {type ExecutionContext} from 'ava'
import {fetchFile, type Fetched} from '../../../src/data/download/fetch-file.js'
import {PartFile, urlSha256} from '../../../src/data/download/part-file.js'
import {Transports} from '../../../src/data/download/transports.js'
import {startFaultsServer, type FaultsServer} from '../../helpers/faults-server.js'
import {temporaryFolder} from '../../helpers/folders.js'
import {python} from '../../helpers/python.js'
import {s3Environment, startS3Server, type S3Server} from '../../helpers/s3-server.js'

let s3: S3Server
let faults: FaultsServer
/** More than one piece of what Python fetches at once. */
const content = pseudoRandom(20 * 2 ** 20 + 12_345, 1)
const otherContent = pseudoRandom(20 * 2 ** 20 + 12_345, 2)

test.before(async () => {
  s3 = await startS3Server()
  faults = await startFaultsServer()
  await s3.makeBucket('data')
})
test.after.always(async () => {
  await Promise.all([s3.stop(), faults.stop()])
})

test.serial('an object is fetched by somebody with a key, in several pieces, byte for byte', async (t) => {
  await s3.put('data', 'some folder/file+1.bin', content, 'private')
  const {value, path} = await get(t, 's3://data/some%20folder/file+1.bin')
  t.is(value?.sha256, sha256(content))
  t.true(readFileSync(path).equals(content))
})

test.serial('a public object is fetched by nobody, a private one is denied', async (t) => {
  await s3.put('data', 'public', content, 'public-read')
  await s3.put('data', 'private', content, 'private')
  const nobody = {env: s3Environment(s3.origin, 'nobody')}
  t.is((await get(t, 's3://data/public', nobody)).value?.sha256, sha256(content))
  const {error, path} = await get(t, 's3://data/private', nobody)
  t.like(error, {code: 'E_DL_403', exitCode: 6})
  t.regex(String((error as {next?: string}).next), /AWS_PROFILE/)
  t.false(existsSync(path))
})

test.serial('a part of the same version is continued, and only what is missing is fetched', async (t) => {
  const etag = await s3.put('data', 'resumed', content, 'private')
  const seen: number[] = []
  const {value} = await get(t, 's3://data/resumed', {
    partOf: {bytes: content.subarray(0, 9_000_001), etag},
    onBytes: (doneBytes) => seen.push(doneBytes),
  })
  t.is(value?.sha256, sha256(content))
  t.true(Math.min(...seen) > 9_000_001)
})

test.serial('a part of another version is thrown away', async (t) => {
  const etag = await s3.put('data', 'changed', content, 'public-read')
  await s3.put('data', 'changed', otherContent, 'public-read')
  const {value} = await get(t, 's3://data/changed', {partOf: {bytes: content.subarray(0, 9_000_001), etag}})
  t.is(value?.sha256, sha256(otherContent))
})

test.serial('a missing bucket and a missing key are errors that name them', async (t) => {
  const noBucket = await get(t, 's3://nowhere/file')
  t.like(noBucket.error, {code: 'E_DL_404', exitCode: 6})
  t.regex(String(noBucket.error), /no bucket nowhere/)
  const noKey = await get(t, 's3://data/missing')
  t.like(noKey.error, {code: 'E_DL_404', exitCode: 6})
  t.regex(String(noKey.error), /bucket data has no missing/)
})

test.serial('a store that throttles, cuts or lies ends with the right file or a clear error', async (t) => {
  const asked = {env: s3Environment(`${faults.origin}/s3`, 'somebody')}
  for (const key of ['slowdown', 'cut', 'ok']) {
    t.is((await get(t, `s3://bucket/${key}`, asked)).value?.sha256, faults.sha256[0], key)
  }
  const lie = await get(t, 's3://bucket/badmd5', asked)
  t.like(lie.error, {code: 'E_DL_CHECKSUM', exitCode: 6})
  t.false(existsSync(lie.path))
  const denied = await get(t, 's3://bucket/denied', asked)
  t.like(denied.error, {code: 'E_DL_403'})
})

type GetOptions = {
  readonly env?: Readonly<Record<string, string>>
  /** What an earlier download left. */
  readonly partOf?: {readonly bytes: Buffer; readonly etag: string}
  readonly onBytes?: (doneBytes: number) => void
}

async function get(
  t: ExecutionContext,
  address: string,
  options: GetOptions = {},
): Promise<{value?: Fetched; error?: unknown; path: string}> {
  const path = join(await temporaryFolder(t), 'file')
  const url = new URL(address)
  if (options.partOf !== undefined) {
    await using part = await PartFile.open(path)
    await part.begin({urlSha256: urlSha256(url), etag: options.partOf.etag, totalBytes: content.length})
    await part.append(options.partOf.bytes)
  }
  await using transports = new Transports({
    findPython: () => Promise.resolve(python),
    env: options.env ?? s3Environment(s3.origin, 'somebody'),
  })
  try {
    const value = await fetchFile({
      urls: [url],
      path,
      expected: {},
      transportFor: transports.for,
      backOffMs: 5,
      onBytes: (_url, doneBytes) => options.onBytes?.(doneBytes),
    })
    return {value, path}
  } catch (error) {
    return {error, path}
  }
}

/** Bytes that do not repeat, so that a piece in the wrong place shows. */
function pseudoRandom(lengthBytes: number, seed: number): Buffer {
  const bytes = Buffer.alloc(lengthBytes)
  let state = seed
  for (let at = 0; at + 4 <= lengthBytes; at += 4) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0
    bytes.writeInt32LE(state, at)
  }
  return bytes
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
