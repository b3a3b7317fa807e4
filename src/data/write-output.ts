import {DataError, printable} from '../errors.js'
import {writeFileAtomic} from '../files.js'

/**
 * Writes a file that the user asked for, completely or not at all.
 * @throws DataError E_OUTPUT naming the file when the folder is missing or refuses
 */
export async function writeOutput(path: string, data: string | Uint8Array): Promise<void> {
  try {
    await writeFileAtomic(path, data)
  } catch (cause) {
    const reason = cause instanceof Error && 'code' in cause ? ` (${String(cause.code)})` : ''
    throw new DataError(`The file ${printable(path, 300)} cannot be written${reason}.`, {
      code: 'E_OUTPUT',
      next: 'Name a file in a folder that exists and can be written.',
      cause,
    })
  }
}
