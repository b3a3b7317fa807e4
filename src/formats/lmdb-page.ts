/** One node of a branch or leaf page. */
export type LmdbNode = {
  readonly key: Buffer
  /** Size of the value in a leaf, low 32 bits of the child's page number in a branch. */
  readonly sizeOrPage: number
  /** Flags in a leaf, high 16 bits of the child's page number in a branch. */
  readonly flags: number
  /** Where the value, or the number of its overflow page, begins in the page. */
  readonly dataAt: number
}

export const pageHeaderBytes = 16
export const pageKinds = {branch: 0x01, leaf: 0x02, overflow: 0x04, mask: 0x2f} as const
const nodeHeaderBytes = 8

/** The nodes of a page in order, each within the page. */
export function readNodes(page: Buffer, fail: (what: string) => Error): LmdbNode[] {
  const lower = page.readUInt16LE(12)
  const upper = page.readUInt16LE(14)
  if (lower < pageHeaderBytes || lower > upper || upper > page.length || lower % 2 !== 0) {
    throw fail('the bounds are damaged')
  }
  const nodes: LmdbNode[] = []
  for (let at = pageHeaderBytes; at < lower; at += 2)
    nodes.push(readNode(page, page.readUInt16LE(at), upper, fail))
  return nodes
}

function readNode(page: Buffer, at: number, upper: number, fail: (what: string) => Error): LmdbNode {
  if (at < upper || at + nodeHeaderBytes > page.length) throw fail('a node is outside')
  const keyBytes = page.readUInt16LE(at + 6)
  const dataAt = at + nodeHeaderBytes + keyBytes
  if (dataAt > page.length) throw fail('a key is outside')
  return {
    key: page.subarray(at + nodeHeaderBytes, dataAt),
    sizeOrPage: page.readUInt32LE(at),
    flags: page.readUInt16LE(at + 4),
    dataAt,
  }
}
