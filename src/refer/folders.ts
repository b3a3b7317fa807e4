import path from 'node:path'
import {currentVenv} from '../bridge/python-environment.js'
import {packageRoot, pythonRoot} from '../paths.js'
import {isClone} from '../setup/project-venv.mjs'

/** Where the mask extension is built. */
export type MaskFolders = {
  /** The sources in the package. */
  readonly sources: string
  /** Where `make` runs: the sources, or a copy of them where the package may not be written to. */
  readonly make: string
  /** Where everything that is made goes; Python imports the extension from here. */
  readonly build: string
}

const variable = 'VILBERT_TS_REFER_BUILD'

/**
 * The folders of the mask extension: in a clone inside of it; for an installed package beside its Python environment
 * in the cache folder. VILBERT_TS_REFER_BUILD names another build folder.
 */
export function maskFolders(): MaskFolders {
  const sources = path.join(pythonRoot, 'refer')
  const own = path.join(sources, 'build')
  const named = process.env[variable]
  const isNamed = named !== undefined && named !== ''
  const build = isNamed ? path.resolve(named) : isClone(packageRoot) ? own : besideVenv()
  return {sources, make: build === own ? sources : path.join(build, 'source'), build}
}

/** What a bridge needs in `env` so that Python finds the extension. */
export function maskEnvironment(): Readonly<Record<string, string>> {
  return {[variable]: maskFolders().build}
}

// The environment's folder is named by the package's version, so each version has its own build too.
function besideVenv(): string {
  const {venvDir} = currentVenv()
  return path.join(path.dirname(venvDir), path.basename(venvDir).replace(/^venv/, 'refer'))
}
