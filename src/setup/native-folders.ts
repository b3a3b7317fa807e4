import path from 'node:path'
import {currentVenv} from '../bridge/python-environment.js'
import {packageRoot, pythonRoot} from '../paths.js'
import {isClone} from './project-venv.mjs'

/** Where C and C++ of this package is compiled. */
export type NativeFolders = {
  /** The sources in the package. */
  readonly sources: string
  /** Where `make` runs: the sources, or a copy of them where the package may not be written to. */
  readonly make: string
  /** Where everything that is made goes. */
  readonly build: string
}

/**
 * The folders of `python/<name>`: in a clone inside of it; for an installed package beside its Python environment in
 * the cache folder. `named` is another build folder.
 */
export function nativeFolders(name: 'kernels' | 'refer', named?: string): NativeFolders {
  const sources = path.join(pythonRoot, name)
  const own = path.join(sources, 'build')
  const build = named === undefined ? (isClone(packageRoot) ? own : besideVenv(name)) : path.resolve(named)
  return {sources, make: build === own ? sources : path.join(build, 'source'), build}
}

// The environment's folder is named by the package's version, so each version has its own build too.
function besideVenv(name: string): string {
  const {venvDir} = currentVenv()
  return path.join(path.dirname(venvDir), path.basename(venvDir).replace(/^venv/, name))
}
