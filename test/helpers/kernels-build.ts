import {existsSync} from 'node:fs'
import {mkdir, readdir, symlink} from 'node:fs/promises'
import {join} from 'node:path'
import {execa} from 'execa'
import {kernelFolders} from '../../src/kernels/folders.js'
import type {KernelsBuild} from '../../src/kernels/build.js'
import {packageRoot} from '../../src/paths.js'
import {python} from './python.js'

export type Built = KernelsBuild & {readonly starts: number; readonly tookMs: number}

export const canBuild = process.platform === 'linux' && process.arch === 'x64'

/** Runs a build in a process of its own, with settings of its own. */
export async function buildIn(
  root: string,
  folders: readonly string[],
  env: Readonly<Partial<Record<string, string>>>,
  interpreter = python,
): Promise<Built> {
  const program = join(packageRoot, 'test', 'fixtures', 'node', 'build-kernels.mjs')
  const {stdout} = await execa(process.execPath, [program, root, interpreter, ...folders], {
    env: {CXX: '', VILBERT_TS_KERNELS: '', NODE_ENV: '', ...env},
    timeout: 110_000,
  })
  return JSON.parse(stdout) as Built
}

/** Lends a build folder the headers of oneDNN, which `npm run ready` has fetched. */
export async function giveHeaders(folder: string): Promise<void> {
  const {build: own} = kernelFolders()
  const name = existsSync(own) ? (await readdir(own)).find((each) => each.startsWith('onednn-')) : undefined
  if (name === undefined) return
  await mkdir(folder, {recursive: true})
  await symlink(join(own, name), join(folder, name))
}
