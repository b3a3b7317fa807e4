import {crc32, createInflateRaw} from 'node:zlib'
import {openPromise, type Entry, type ZipFile} from 'yauzl'
import {FormatError} from '../../../errors.js'
import {flow} from './flow.js'
import type {UnpackFolder} from './unpack-folder.js'

const localHeaderBytes = 30
const utf8Flag = 0x800

/** Unpacks a zip. Its table of contents is checked whole before the first byte is written. */
export async function unpackZip(path: string, folder: UnpackFolder): Promise<void> {
  let zip: ZipFile | undefined
  try {
    zip = await openPromise(path, {lazyEntries: true, autoClose: false, decodeStrings: false})
    const entries = await readContents(zip, folder)
    for (const {entry, name} of entries) await unpackEntry(zip, entry, name, folder)
  } catch (error) {
    if (error instanceof FormatError || !isZipProblem(error)) throw error
    throw folder.broken('E_ARC_BROKEN', `it is damaged (${error.message})`, undefined, error)
  } finally {
    zip?.close()
  }
}

type NamedEntry = {readonly entry: Entry; readonly name: string}

async function readContents(zip: ZipFile, folder: UnpackFolder): Promise<readonly NamedEntry[]> {
  const entries: NamedEntry[] = []
  let declaredBytes = 0
  folder.checkCount(zip.entryCount)
  for await (const entry of zip.eachEntry()) {
    const name = nameOf(entry, folder)
    checkType(entry, name, folder)
    declaredBytes += entry.uncompressedSize
    folder.checkSize(declaredBytes)
    entries.push({entry, name})
  }
  if (entries.length === 0) throw folder.broken('E_ARC_BROKEN', 'it is empty')
  checkOverlaps(entries, folder)
  await folder.requireSpace(declaredBytes)
  return entries
}

function nameOf({fileNameRaw, generalPurposeBitFlag}: Entry, folder: UnpackFolder): string {
  const shown = fileNameRaw.toString('latin1')
  const isAscii = fileNameRaw.every((byte) => byte < 0x80)
  try {
    if (!isAscii && (generalPurposeBitFlag & utf8Flag) === 0) throw new TypeError('no UTF-8')
    return new TextDecoder('utf-8', {fatal: true, ignoreBOM: true}).decode(fileNameRaw)
  } catch {
    throw folder.broken('E_ARC_PATH', 'its name is not UTF-8', shown)
  }
}

/** Only plain files and folders, packed in the two ways that every zip program knows. */
function checkType(entry: Entry, name: string, folder: UnpackFolder): void {
  const unixType = (entry.externalFileAttributes >>> 16) & 0o170000
  if (unixType === 0o120000) throw folder.broken('E_ARC_LINK', 'it holds a link', name)
  if (![0, 0o100000, 0o040000].includes(unixType)) {
    throw folder.broken('E_ARC_TYPE', 'it holds something that is neither file nor folder', name)
  }
  if (entry.isEncrypted()) throw folder.broken('E_ARC_TYPE', 'it is encrypted', name)
  if (entry.compressionMethod !== 0 && entry.compressionMethod !== 8) {
    throw folder.broken('E_ARC_TYPE', `it is packed with method ${entry.compressionMethod}`, name)
  }
  if (isFolder(name) && entry.uncompressedSize > 0) {
    throw folder.broken('E_ARC_BROKEN', 'a folder has content', name)
  }
}

/** Entries that share bytes unpack to any size (Fifield, "A better zip bomb", 2019). */
function checkOverlaps(entries: readonly NamedEntry[], folder: UnpackFolder): void {
  const sorted = [...entries].sort(
    (a, b) => a.entry.relativeOffsetOfLocalHeader - b.entry.relativeOffsetOfLocalHeader,
  )
  let end = 0
  for (const {entry, name} of sorted) {
    const start = entry.relativeOffsetOfLocalHeader
    if (start < end) throw folder.broken('E_ARC_BROKEN', 'entries share bytes', name)
    end = start + localHeaderBytes + entry.fileNameLength + entry.compressedSize
  }
}

async function unpackEntry(zip: ZipFile, entry: Entry, name: string, folder: UnpackFolder): Promise<void> {
  const local = await zip.readLocalFileHeaderPromise(entry)
  if (!local.fileName.equals(entry.fileNameRaw)) {
    throw folder.broken('E_ARC_BROKEN', 'an entry has two names', name)
  }
  if (isFolder(name)) {
    await folder.addFolder(name)
    return
  }
  const packed = await zip.openReadStreamPromise(entry, {decodeFileData: false})
  const write = (source: AsyncIterable<Buffer>): Promise<void> =>
    folder.addFile(name, checked(source, entry, name, folder))
  await flow(packed, entry.compressionMethod === 0 ? undefined : createInflateRaw(), write)
}

/** Passes the bytes on as long as they are no more than declared, and checks at the end that they are the right ones. */
async function* checked(
  source: AsyncIterable<Buffer>,
  entry: Entry,
  name: string,
  folder: UnpackFolder,
): AsyncGenerator<Buffer, void, void> {
  let crc = 0
  let lengthBytes = 0
  for await (const chunk of source) {
    crc = crc32(chunk, crc)
    lengthBytes += chunk.length
    if (lengthBytes > entry.uncompressedSize) break
    yield chunk
  }
  if (lengthBytes !== entry.uncompressedSize) {
    throw folder.broken('E_ARC_BROKEN', 'a file is not as long as declared', name)
  }
  if (crc !== entry.crc32) throw folder.broken('E_ARC_BROKEN', 'a checksum (CRC) is wrong', name)
}

function isFolder(name: string): boolean {
  return name.endsWith('/')
}

/** yauzl and zlib report what is wrong with the bytes in plain errors; those of the file system have a syscall. */
function isZipProblem(error: unknown): error is Error {
  return error instanceof Error && !('syscall' in error) && error.name !== 'InterruptedError'
}
