import {mkdir, open, rm} from 'node:fs/promises'
import {FormatError, printable} from '../../../errors.js'
import {findImpostor, headBytes} from '../impostors.js'
import {unpackTar} from './tar.js'
import {UnpackFolder, type UnpackLimits} from './unpack-folder.js'
import {unpackZip} from './zip.js'

/**
 * Unpacks a zip, tar or tar.gz into a new folder: only plain files and folders inside it, within the limits, every
 * checksum checked. After an error the folder is gone.
 * @param folder - made anew; what an earlier, killed run left there is removed
 * @throws FormatError E_ARC_PATH, E_ARC_LINK, E_ARC_DUP, E_ARC_BOMB, E_ARC_TYPE, E_ARC_BROKEN, E_FORMAT_HTML
 */
export async function unpackArchive(
  path: string,
  folder: string,
  limits: UnpackLimits = {},
  signal?: AbortSignal,
): Promise<{readonly writtenBytes: number}> {
  const {head, sizeBytes} = await readHead(path)
  const format = formatOf(head, path)
  await rm(folder, {recursive: true, force: true})
  await mkdir(folder, {recursive: true})
  const target = new UnpackFolder(folder, {path, sizeBytes}, limits, signal)
  try {
    if (format === 'zip') await unpackZip(path, target)
    else await unpackTar(path, format === 'gzip', target)
    return {writtenBytes: target.writtenBytes}
  } catch (error) {
    await rm(folder, {recursive: true, force: true})
    throw error
  }
}

/**
 * Reads a whole archive as {@link unpackArchive} would, every checksum included, and writes nothing.
 * @throws FormatError as there
 */
export async function checkArchive(
  path: string,
  limits: UnpackLimits = {},
  signal?: AbortSignal,
): Promise<void> {
  const {head, sizeBytes} = await readHead(path)
  const format = formatOf(head, path)
  const target = new UnpackFolder(undefined, {path, sizeBytes}, limits, signal)
  if (format === 'zip') await unpackZip(path, target)
  else await unpackTar(path, format === 'gzip', target)
}

/** Tells the format by the first bytes; suffixes lie. */
function formatOf(head: Buffer, path: string): 'zip' | 'gzip' | 'tar' {
  const starts = (magic: string): boolean => head.toString('latin1', 0, magic.length) === magic
  if (starts('PK')) return 'zip'
  if (starts('\x1f\x8b')) return 'gzip'
  if (head.toString('latin1', 257, 262) === 'ustar') return 'tar'
  const shown = printable(path, 300)
  const impostor = findImpostor(head)
  if (impostor !== undefined) {
    throw new FormatError('E_FORMAT_HTML', `${shown} is no archive: ${impostor.what}.`)
  }
  const what = starts('\xfd7zXZ') ? 'is packed with xz, which is not read' : 'is no zip, tar or tar.gz'
  throw new FormatError('E_ARC_TYPE', `${shown} ${what}.`, {
    next: 'Unpack it yourself and pass --from with the folder.',
  })
}

async function readHead(path: string): Promise<{readonly head: Buffer; readonly sizeBytes: number}> {
  const handle = await open(path, 'r')
  try {
    const head = Buffer.alloc(headBytes)
    const {bytesRead} = await handle.read(head, 0, headBytes, 0)
    return {head: head.subarray(0, bytesRead), sizeBytes: (await handle.stat()).size}
  } finally {
    await handle.close()
  }
}
