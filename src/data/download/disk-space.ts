import {statfs} from 'node:fs/promises'
import {DataError, printable} from '../../errors.js'

/** What stays free, so that a full disk does not stop the rest of the machine. */
const reserveBytes = 64 * 2 ** 20

/**
 * Checks that a folder's disk has room before anything is fetched.
 * @throws DataError E_DISK_SPACE
 */
export async function requireSpace(
  folder: string,
  neededBytes: number,
  forWhat: string,
  next = 'Make room, or pass --data-root with a folder on another disk.',
): Promise<void> {
  const {bavail, bsize} = await statfs(folder)
  const freeBytes = bavail * bsize
  if (neededBytes <= 0 || neededBytes + reserveBytes <= freeBytes) return
  throw new DataError(
    `${printable(forWhat, 100)} needs ${sizeText(neededBytes)}, and ${printable(folder, 300)} has ${sizeText(freeBytes)} free.`,
    {code: 'E_DISK_SPACE', next},
  )
}

/** A size as people say it: 512 B, 1.5 MB, 13 GB (decimal, as disks are sold). */
export function sizeText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 || value >= 99.5 ? Math.round(value) : Number(value.toPrecision(2))} ${units[unit] ?? ''}`
}
