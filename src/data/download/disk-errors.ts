import {DataError, printable} from '../../errors.js'

const diskErrors: ReadonlySet<string> = new Set([
  ...['ENOSPC', 'EDQUOT', 'EACCES', 'EROFS', 'EPERM', 'EIO', 'ELOOP', 'ENOTDIR', 'EISDIR', 'EEXIST', 'EXDEV'],
  'ENAMETOOLONG',
])

/** Puts a full or unwritable disk into words; every other error is given back as it is. */
export function explainDisk(error: unknown, folder: string): unknown {
  const code = error instanceof Error && 'syscall' in error && 'code' in error ? String(error.code) : ''
  if (!diskErrors.has(code)) return error
  return new DataError(`${printable(folder, 300)} cannot be written (${code}).`, {
    code: 'E_DL_WRITE',
    next: 'Make room, or pass another --data-root, then run it again: what has been fetched is kept.',
    cause: error,
  })
}
