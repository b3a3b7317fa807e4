import {existsSync, statSync} from 'node:fs'
import {join} from 'node:path'

import type {FormatError} from '../errors.js'
import {broken, FileSource} from './byte-source.js'
import type {ByteSource} from './byte-source.js'
import {readMeta} from './lmdb-meta.js'
import type {LmdbMeta} from './lmdb-meta.js'
import {pageHeaderBytes, pageKinds, readNodes} from './lmdb-page.js'
import type {LmdbNode} from './lmdb-page.js'

/** An entry whose value is still in the file. */
export type LmdbEntry = {
  readonly key: Buffer
  /** Place of the value in the source. */
  readonly offset: number
  readonly lengthBytes: number
}

const deepestTree = 32
const cachedPages = 256

/**
 * Reads the main database of an LMDB of any page size, as 64-bit machines write it. Pages are read by position and
 * every pointer is checked, so a cut or hostile file gives an error and no crash; nothing is mapped or locked.
 */
export class Lmdb implements Disposable {
  readonly source: ByteSource
  readonly #file: FileSource | undefined
  readonly #meta: LmdbMeta
  readonly #pages = new Map<number, Buffer>()

  /**
   * Opens a folder with `data.mdb`, such a file, or bytes that are open already.
   * @throws FormatError E_LMDB_FILE, E_IO, E_EMPTY, E_NOT_FILE
   */
  constructor(from: string | ByteSource) {
    const source = typeof from === 'string' ? new FileSource(lmdbFile(from)) : from
    this.#file = source instanceof FileSource && source !== from ? source : undefined
    this.source = source
    try {
      this.#meta = readMeta(this.source)
      if (this.#meta.depth > deepestTree) throw this.#fail('the tree is deeper than any real one')
    } catch (error) {
      this[Symbol.dispose]()
      throw error
    }
  }

  /** The two meta pages, which change with every write. */
  get metaBytes(): Buffer {
    return this.source.read(0, Math.min(this.source.sizeBytes, 2 * this.#meta.pageBytes))
  }

  get entryCount(): number {
    return this.#meta.entryCount
  }

  /** Every entry in the order of the keys. */
  *entries(): Generator<LmdbEntry, void, undefined> {
    if (this.#meta.entryCount === 0) return
    let count = 0
    let before: Buffer | undefined
    for (const entry of this.#walk(this.#meta.rootPage, 1, new Set())) {
      if (++count > this.#meta.entryCount) throw this.#fail('there are more entries than the header says')
      if (before !== undefined && Buffer.compare(before, entry.key) >= 0)
        throw this.#fail('the keys are not in order')
      before = entry.key
      yield entry
    }
    if (count !== this.#meta.entryCount) {
      throw this.#fail(`there are ${count} entries, the header says ${this.#meta.entryCount}`)
    }
  }

  /** The entry of a key, found by going down the tree. */
  find(key: Buffer): LmdbEntry | undefined {
    let page = this.#meta.rootPage
    if (this.#meta.entryCount === 0) return undefined
    for (let depth = 1; depth < this.#meta.depth; depth++) {
      const nodes = this.#nodes(page, pageKinds.branch)
      page = this.#child(nodes[lastAtMost(nodes, key)])
    }
    const nodes = this.#nodes(page, pageKinds.leaf)
    const found = nodes.find((node) => node.key.equals(key))
    return found === undefined ? undefined : this.#entry(found, page)
  }

  /** The value of an entry, in `into` where that is given and large enough. */
  read(entry: LmdbEntry, into?: Buffer): Buffer {
    return this.source.read(entry.offset, entry.lengthBytes, into)
  }

  [Symbol.dispose](): void {
    this.#file?.[Symbol.dispose]()
  }

  *#walk(page: number, depth: number, seen: Set<number>): Generator<LmdbEntry, void, undefined> {
    if (seen.has(page)) throw this.#fail(`page ${page} is reached twice`)
    seen.add(page)
    if (depth < this.#meta.depth) {
      for (const node of this.#nodes(page, pageKinds.branch))
        yield* this.#walk(this.#child(node), depth + 1, seen)
    } else {
      for (const node of this.#nodes(page, pageKinds.leaf)) yield this.#entry(node, page)
    }
  }

  #child(node: LmdbNode | undefined): number {
    if (node === undefined) throw this.#fail('a branch page is empty')
    return node.flags * 2 ** 32 + node.sizeOrPage
  }

  #entry(node: LmdbNode, page: number): LmdbEntry {
    const {pageBytes} = this.#meta
    const {key, sizeOrPage: lengthBytes} = node
    if ((node.flags & ~1) !== 0)
      throw this.#fail(`page ${page} holds a sub-database, which feature files do not have`)
    if (node.flags === 0) {
      if (node.dataAt + lengthBytes > pageBytes) throw this.#fail(`a value is outside of page ${page}`)
      return {key, offset: page * pageBytes + node.dataAt, lengthBytes}
    }
    if (node.dataAt + 8 > pageBytes) throw this.#fail(`a value is outside of page ${page}`)
    const first = Number(this.#page(page, pageKinds.leaf).readBigUInt64LE(node.dataAt))
    return {key, offset: this.#overflow(first, lengthBytes), lengthBytes}
  }

  // A large value has pages of its own, one behind the other; the first has a header that says how many.
  #overflow(first: number, lengthBytes: number): number {
    const {pageBytes, lastPage} = this.#meta
    if (!(first >= 2 && first <= lastPage)) throw this.#fail(`page ${first} is pointed to and does not exist`)
    const header = this.source.read(first * pageBytes, pageHeaderBytes)
    const count = header.readUInt32LE(12)
    const fits =
      count > 0 && count <= lastPage + 1 - first && pageHeaderBytes + lengthBytes <= count * pageBytes
    const isOverflow = (header.readUInt16LE(10) & pageKinds.mask) === pageKinds.overflow
    if (!fits || !isOverflow || Number(header.readBigUInt64LE(0)) !== first) {
      throw this.#fail(`the overflow pages from page ${first} are damaged`)
    }
    return first * pageBytes + pageHeaderBytes
  }

  #nodes(page: number, kind: number): LmdbNode[] {
    return readNodes(this.#page(page, kind), (what) => this.#fail(`${what} in page ${page}`))
  }

  #page(page: number, kind: number): Buffer {
    const known = this.#pages.get(page)
    if (known !== undefined) return known
    const {pageBytes, lastPage} = this.#meta
    if (!(page >= 2 && page <= lastPage)) throw this.#fail(`page ${page} is pointed to and does not exist`)
    const bytes = this.source.read(page * pageBytes, pageBytes)
    const isRight =
      Number(bytes.readBigUInt64LE(0)) === page && (bytes.readUInt16LE(10) & pageKinds.mask) === kind
    if (!isRight) throw this.#fail(`page ${page} is damaged`)
    if (this.#pages.size >= cachedPages) this.#pages.clear()
    this.#pages.set(page, bytes)
    return bytes
  }

  #fail(what: string): FormatError {
    return broken(this.source, 'E_LMDB_FILE', what)
  }
}

/** The file that holds the pages of an LMDB given by its folder or its file. */
export function lmdbFile(path: string): string {
  const isFolder = existsSync(path) && statSync(path).isDirectory()
  return isFolder ? join(path, 'data.mdb') : path
}

// Keys of a branch page say where each child begins; the first is below everything.
function lastAtMost(nodes: readonly LmdbNode[], key: Buffer): number {
  let low = 0
  let high = nodes.length
  while (high - low > 1) {
    const middle = (low + high) >> 1
    const node = nodes[middle]
    if (node !== undefined && Buffer.compare(node.key, key) <= 0) low = middle
    else high = middle
  }
  return low
}
