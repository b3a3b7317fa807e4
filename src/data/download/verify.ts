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
  const {sha256, md5} = await hashesOf(part.path, signal)
  const md5Differs = expected.sha256 === undefined && expected.md5 !== undefined && md5 !== expected.md5
  if ((expected.sha256 ?? sha256) !== sha256 || md5Differs) {
    throw refused(url, 'the file is not the one it should be: its checksum differs', {
      code: 'E_DL_CHECKSUM',
      next: expected.origin ?? 'It may be damaged on the server: try another --mirror.',
    })
  }
  return sha256
}

async function hashesOf(
  path: string,
  signal: AbortSignal | undefined,
): Promise<{readonly sha256: string; readonly md5: string}> {
  const hashes = {sha256: createHash('sha256'), md5: createHash('md5')}
  for await (const chunk of createReadStream(path, {highWaterMark: 4 << 20}) as AsyncIterable<Buffer>) {
    throwIfInterrupted(signal)
    hashes.sha256.update(chunk)
    hashes.md5.update(chunk)
  }
  return {sha256: hashes.sha256.digest('hex'), md5: hashes.md5.digest('hex')}
}
