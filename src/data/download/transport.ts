import type {PartFile} from './part-file.js'

/** One attempt to bring a file, or what is missing of it, into a part. */
export type Transfer = {
  readonly url: URL
  readonly part: PartFile
  /** Exact size, where the registry knows it. */
  readonly sizeBytes: number | undefined
  /** Whether the finished file can be checked: then bytes of an unknown version may be continued. */
  readonly isVerifiable: boolean
  /** How long a server may be silent. */
  readonly timeoutMs: number
  readonly allowPrivate: boolean
  readonly signal: AbortSignal | undefined
  /** Told the size as soon as the server says it; throws when there is no space for it. */
  readonly onSize: (totalBytes: number) => Promise<void>
  /** Told how much of the file is there. */
  readonly onBytes: (doneBytes: number, totalBytes: number | undefined) => void
}

/** What a finished transfer knows about the bytes beside their number. */
export type Transferred = {
  /** MD5 that the store promises (S3). */
  readonly md5?: string | undefined
}

/**
 * A way to fetch files of some kind of address. Resolves when the part holds the whole file.
 * @throws AttemptFailed, after which the part holds only bytes that a next attempt can continue
 */
export type Transport = (transfer: Transfer) => Promise<Transferred>
