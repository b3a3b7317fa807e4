import {readFile} from 'node:fs/promises'
import {DataError, printable} from '../errors.js'

/**
 * Reads ids from a text file: one a line; blank lines and lines that begin with # do not count.
 * @throws DataError E_IDS naming the line
 */
export async function readIdList(path: string): Promise<readonly number[]> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    const reason = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown reason'
    throw refused(`The list of ids ${printable(path, 300)} cannot be read (${reason}).`, cause)
  })
  const ids = text.split('\n').flatMap((line, index) => {
    const id = line.trim()
    if (id === '' || id.startsWith('#')) return []
    if (/^\d{1,15}$/.test(id)) return [Number(id)]
    throw refused(`${printable(path, 300)}: line ${index + 1} is not an id: "${printable(id)}".`)
  })
  if (ids.length > 0) return ids
  throw refused(`The list of ids ${printable(path, 300)} is empty.`)
}

function refused(message: string, cause?: unknown): DataError {
  return new DataError(message, {
    code: 'E_IDS',
    next: 'Write one sentence or ref id a line.',
    cause,
  })
}
