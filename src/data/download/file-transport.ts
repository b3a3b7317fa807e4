import {createReadStream} from 'node:fs'
import {stat} from 'node:fs/promises'
import {fileURLToPath} from 'node:url'
import {throwIfInterrupted} from '../../breathe.js'
import {refused} from './failure.js'
import {urlSha256} from './part-file.js'
import {wrongSize} from './size.js'
import type {Transfer, Transferred} from './transport.js'

/** Copies a local file; always from the start, because that takes less time than to tell whether it changed. */
export async function fileTransport(transfer: Transfer): Promise<Transferred> {
  const {url, part, signal, onBytes, onSize} = transfer
  const path = pathOf(url)
  const status = await stat(path).catch((error: unknown) => {
    throw refused(url, 'there is no such file', {code: 'E_DL_404', cause: error})
  })
  if (!status.isFile()) throw refused(url, 'this is not a file', {code: 'E_DL_404'})
  await onSize(status.size)
  await part.begin({urlSha256: urlSha256(url), totalBytes: status.size})
  for await (const chunk of createReadStream(path, {highWaterMark: 1 << 20}) as AsyncIterable<Buffer>) {
    throwIfInterrupted(signal)
    await part.append(chunk)
    onBytes(part.doneBytes, status.size)
  }
  if (part.doneBytes !== status.size) throw wrongSize(url, part.doneBytes, status.size)
  return {}
}

function pathOf(url: URL): string {
  try {
    return fileURLToPath(url)
  } catch (error) {
    throw refused(url, 'this is no path of this machine', {code: 'E_DL_404', cause: error})
  }
}
