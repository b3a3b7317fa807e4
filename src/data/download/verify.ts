import {createHash} from 'node:crypto'
import {createReadStream} from 'node:fs'
import {throwIfInterrupted} from '../../breathe.js'
import {refused} from './failure.js'
import {findImpostor, headBytes} from './impostors.js'
import type {PartFile} from './part-file.js'
import {wrongSize} from './size.js'

/** What a finished file must be, as far as it is known. */
export type Expectation = {
  readonly sizeBytes?: number | undefined
  readonly sha256?: string | undefined
  readonly md5?: string | undefined
  /** Where `sha256` is from: shown when it does not fit. */
  readonly origin?: string | undefined
}

/**
 * Looks at a finished part before it gets its final name.
 * @returns its SHA-256
 * @throws AttemptFailed E_DL_HTML, E_DL_XML, E_DL_SIZE, E_DL_CHECKSUM …
 */
export async function verifyPart(
  url: URL,
  part: PartFile,
  expected: Expectation,
  signal: AbortSignal | undefined,
): Promise<string> {
  const impostor = findImpostor(await part.head(headBytes))
  if (impostor !== undefined) throw refused(url, impostor.what, impostor)
  if (part.doneBytes === 0) throw refused(url, 'the file is empty', {code: 'E_DL_SIZE'})
  if (expected.sizeBytes !== undefined && part.doneBytes !== expected.sizeBytes) {
    throw wrongSize(url, part.doneBytes, expected.sizeBytes)
  }
  // Where a hash of ours is known, the store's own says nothing more.
  const expectedMd5 = expected.sha256 === undefined ? expected.md5 : undefined
  const {sha256, md5} = await hashesOf(part.path, expectedMd5 !== undefined, signal)
  if ((expected.sha256 ?? sha256) !== sha256 || (expectedMd5 ?? md5) !== md5) {
    throw refused(url, 'the file is not the one it should be: its checksum differs', {
      code: 'E_DL_CHECKSUM',
      next: expected.origin ?? 'It may be damaged on the server: try another --mirror.',
    })
  }
  return sha256
}

async function hashesOf(
  path: string,
  wantsMd5: boolean,
  signal: AbortSignal | undefined,
): Promise<{readonly sha256: string; readonly md5: string | undefined}> {
  const sha256 = createHash('sha256')
  const md5 = wantsMd5 ? createHash('md5') : undefined
  for await (const chunk of createReadStream(path, {highWaterMark: 4 << 20}) as AsyncIterable<Buffer>) {
    throwIfInterrupted(signal)
    sha256.update(chunk)
    md5?.update(chunk)
  }
  return {sha256: sha256.digest('hex'), md5: md5?.digest('hex')}
}
