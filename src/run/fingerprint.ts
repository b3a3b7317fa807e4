import {createHash} from 'node:crypto'
import {readdir, readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {pythonRoot} from '../paths.js'

/** Changes with the Python that computes, so that a run resumed by another version of it is noticed. */
export async function codeFingerprint(): Promise<string> {
  const folder = join(pythonRoot, 'vilbert')
  const files = (await readdir(folder)).filter((file) => file.endsWith('.py')).sort()
  const hash = createHash('sha256')
  for (const file of files) hash.update(file).update(await readFile(join(folder, file)))
  return hash.digest('hex').slice(0, 16)
}
