import {createReadStream} from 'node:fs'
import {createGunzip} from 'node:zlib'
import {FormatError} from '../../../errors.js'
import {ChunkReader} from './chunk-reader.js'
import {flow} from './flow.js'
import {blockBytes, readPax, readTarHeader, readText, type TarHeader} from './tar-header.js'
import type {UnpackFolder} from './unpack-folder.js'

const longestMetaBytes = 1 << 20

/** Unpacks a tar, plain or packed with gzip. */
export async function unpackTar(path: string, isGzip: boolean, folder: UnpackFolder): Promise<void> {
  const file = createReadStream(path, {highWaterMark: 1 << 20})
  const unpack = async (source: AsyncIterable<Buffer>): Promise<void> => {
    const reader = new ChunkReader(source)
    await unpackEntries(reader, folder)
    // The checksum of gzip comes last, behind the padding.
    await drain(reader, isGzip ? folder : undefined)
  }
  try {
    await flow(file, isGzip ? createGunzip() : undefined, unpack)
  } catch (error) {
    if (error instanceof FormatError || !isGzipProblem(error)) throw error
    throw folder.broken('E_ARC_BROKEN', `it is damaged (${error.message})`, undefined, error)
  }
}

async function unpackEntries(reader: ChunkReader, folder: UnpackFolder): Promise<void> {
  let entries = 0
  for (;;) {
    const header = await nextHeader(reader, folder)
    if (header === undefined) break
    entries++
    await unpackEntry(reader, header, folder)
  }
  if (entries === 0) throw folder.broken('E_ARC_BROKEN', 'it is empty')
}

/** The header of the next file or folder, with what extended headers before it say; nothing at the end. */
async function nextHeader(reader: ChunkReader, folder: UnpackFolder): Promise<TarHeader | undefined> {
  let longName: string | undefined
  let pax: {path?: string; sizeBytes?: number} = {}
  for (;;) {
    const block = await reader.take(blockBytes)
    if (block === undefined) throw folder.broken('E_ARC_BROKEN', 'it ends early')
    if (block.every((byte) => byte === 0)) return undefined
    const header = readTarHeader(block)
    if (header === undefined) throw folder.broken('E_ARC_BROKEN', 'a header is damaged')
    if (!'xgLK'.includes(header.type) || header.type === '') {
      const name = pax.path ?? longName ?? header.name
      return {name, sizeBytes: pax.sizeBytes ?? header.sizeBytes, type: header.type}
    }
    const content = await readMeta(reader, header, folder)
    if (header.type === 'L') longName = readText(content)
    if (header.type === 'x') pax = readPax(content) ?? fail(folder, 'an extended header is damaged')
  }
}

async function readMeta(reader: ChunkReader, header: TarHeader, folder: UnpackFolder): Promise<Buffer> {
  if (header.sizeBytes > longestMetaBytes) fail(folder, 'an extended header is too long')
  folder.count(header.sizeBytes)
  const content = await reader.take(header.sizeBytes)
  if (content === undefined) fail(folder, 'it ends early')
  await skipPadding(reader, header.sizeBytes, folder)
  return content
}

async function unpackEntry(reader: ChunkReader, header: TarHeader, folder: UnpackFolder): Promise<void> {
  const {name, sizeBytes, type} = header
  if (type === '1' || type === '2') throw folder.broken('E_ARC_LINK', 'it holds a link', name)
  if (!['0', '\0', '7', '5'].includes(type)) {
    throw folder.broken('E_ARC_TYPE', 'it holds something that is neither file nor folder', name)
  }
  folder.checkSize(folder.writtenBytes + sizeBytes)
  // Before there was a letter for folders, a slash at the end made one.
  if (type === '5' || name.endsWith('/')) {
    if (sizeBytes > 0) throw folder.broken('E_ARC_BROKEN', 'a folder has content', name)
    await folder.addFolder(name)
    return
  }
  await folder.addFile(name, body(reader, header, folder))
  await skipPadding(reader, sizeBytes, folder)
}

async function* body(
  reader: ChunkReader,
  {name, sizeBytes}: TarHeader,
  folder: UnpackFolder,
): AsyncGenerator<Buffer, void, void> {
  for (let leftBytes = sizeBytes; leftBytes > 0;) {
    const chunk = await reader.takeSome(leftBytes)
    if (chunk === undefined) throw folder.broken('E_ARC_BROKEN', 'it ends early', name)
    leftBytes -= chunk.length
    yield chunk
  }
}

async function skipPadding(reader: ChunkReader, sizeBytes: number, folder: UnpackFolder): Promise<void> {
  const paddingBytes = (blockBytes - (sizeBytes % blockBytes)) % blockBytes
  if (paddingBytes > 0 && (await reader.take(paddingBytes)) === undefined) fail(folder, 'it ends early')
}

/** Reads to the end; what gzip unpacks there counts, so that a bomb behind the last file does not go off. */
async function drain(reader: ChunkReader, folder: UnpackFolder | undefined): Promise<void> {
  for (;;) {
    const chunk = await reader.takeSome(Number.MAX_SAFE_INTEGER)
    if (chunk === undefined) return
    folder?.count(chunk.length)
  }
}

function fail(folder: UnpackFolder, what: string): never {
  throw folder.broken('E_ARC_BROKEN', what)
}

function isGzipProblem(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && /^(?:Z_|ERR_)/.test(String(error.code))
}
