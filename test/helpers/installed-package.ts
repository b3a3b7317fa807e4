import {cp, mkdir, mkdtemp, rm, symlink, writeFile} from 'node:fs/promises'
import type {ExecutionContext} from 'ava'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {packageRoot} from '../../src/paths.js'
import {finished, startProgram, type CliOptions, type CliResult} from './cli.js'
import {writeTinyWheel} from './tiny-wheel.js'

/** A copy of the package as npm would install it, whose Python needs one tiny package only. */
export type InstalledPackage = {
  readonly folder: string
  /** The XDG cache folder that it is run with. */
  readonly cache: string
  run(args: readonly string[], options?: CliOptions): Promise<CliResult>
}

/** Installs the package into a folder of its own; it is removed when the test ends. */
export async function installPackage(t: ExecutionContext): Promise<InstalledPackage> {
  const folder = await mkdtemp(join(tmpdir(), 'installed-'))
  t.teardown(() => rm(folder, {recursive: true, force: true}))
  const cache = join(folder, 'cache')
  const copied = [
    'dist/src',
    'dist/commands',
    'oclif.manifest.json',
    'package.json',
    'python/requirements-locked.txt',
  ]
  for (const part of copied) await cp(join(packageRoot, part), join(folder, part), {recursive: true})
  await symlink(join(packageRoot, 'node_modules'), join(folder, 'node_modules'))
  await mkdir(join(folder, 'wheels'))
  const wheel = await writeTinyWheel(join(folder, 'wheels'), 'tiny_one')
  await writeFile(
    join(folder, 'python', 'requirements.txt'),
    `paddlepaddle==3.3.1; python_version < "3"\n${wheel}\n`,
  )
  return {
    folder,
    cache,
    run: (args, options = {}) =>
      finished(
        startProgram(join(folder, 'dist', 'src', 'cli.js'), args, {
          ...options,
          env: {VILBERT_TS_PYTHON: '', VILBERT_TS_PYTHON_BASE: '', XDG_CACHE_HOME: cache, ...options.env},
        }),
      ),
  }
}
