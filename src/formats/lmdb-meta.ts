import {broken} from './byte-source.js'
import type {ByteSource} from './byte-source.js'

/** What the newer of the two meta pages says. */
export type LmdbMeta = {
  readonly pageBytes: number
  readonly depth: number
  readonly entryCount: number
  readonly rootPage: number
  readonly lastPage: number
}

type Candidate = LmdbMeta & {readonly transaction: bigint; readonly treeFlags: number}

const magic = 0xbeefc0de
const formatVersion = 1
const metaBytes = 152
const pageSizes = [512, 1024, 2048, 4096, 8192, 16384, 32768]

/** Reads the meta page of the last finished write; a write that was cut off damages at most the other one. */
export function readMeta(source: ByteSource): LmdbMeta {
  const first = readCandidate(source, 0)
  const seconds = first === undefined ? pageSizes : [first.pageBytes]
  const candidates = [first, ...seconds.map((size) => readCandidate(source, size, size))]
  let newest: Candidate | undefined
  for (const candidate of candidates) {
    if (candidate === undefined) continue
    if (newest === undefined || candidate.transaction > newest.transaction) newest = candidate
  }
  if (newest === undefined)
    throw broken(source, 'E_LMDB_FILE', 'this is not an LMDB file, or its head is damaged')
  checkSize(source, newest)
  if (newest.treeFlags !== 0) throw broken(source, 'E_LMDB_FILE', 'the database has an unusual kind of keys')
  return newest
}

// Offsets: a page header of 16 bytes, then MDB_meta with the records of the free and the main tree.
function readCandidate(source: ByteSource, offset: number, wantedPageBytes?: number): Candidate | undefined {
  if (offset + metaBytes > source.sizeBytes) return undefined
  const page = source.read(offset, metaBytes)
  if (page.readUInt32LE(16) !== magic || page.readUInt32LE(20) !== formatVersion) return undefined
  const pageBytes = page.readUInt32LE(40)
  if (!pageSizes.includes(pageBytes) || (wantedPageBytes ?? pageBytes) !== pageBytes) return undefined
  return {
    pageBytes,
    treeFlags: page.readUInt16LE(92),
    depth: page.readUInt16LE(94),
    entryCount: Number(page.readBigUInt64LE(120)),
    rootPage: Number(page.readBigUInt64LE(128)),
    lastPage: Number(page.readBigUInt64LE(136)),
    transaction: page.readBigUInt64LE(144),
  }
}

function checkSize(source: ByteSource, meta: LmdbMeta): void {
  const wanted = (meta.lastPage + 1) * meta.pageBytes
  if (source.sizeBytes >= wanted) return
  const what = `the file is cut off: its header wants ${wanted} bytes, it has ${source.sizeBytes}`
  throw broken(source, 'E_LMDB_FILE', what)
}
