import {open} from 'node:fs/promises'
import {addAbortSignal, type Readable} from 'node:stream'
import {DataError, printable} from '../errors.js'

/**
 * Opens a file to read it piece by piece, or the standard input for `-`.
 * @throws DataError E_INPUT
 */
export async function openInput(path: string, signal: AbortSignal): Promise<Readable> {
  if (path === '-') return addAbortSignal(signal, process.stdin)
  try {
    const file = await open(path)
    if ((await file.stat()).isDirectory()) throw new Error('EISDIR')
    return addAbortSignal(signal, file.createReadStream())
  } catch (cause) {
    const reason = cause instanceof Error ? ('code' in cause ? String(cause.code) : cause.message) : 'unknown'
    throw new DataError(`The queries ${printable(path, 300)} cannot be read (${reason}).`, {
      code: 'E_INPUT',
      next: 'Pass a JSON Lines file to --input, or - for the standard input.',
      cause,
    })
  }
}
