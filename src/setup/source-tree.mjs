import {createHash} from 'node:crypto'
import {existsSync, readdirSync, readFileSync} from 'node:fs'
import path from 'node:path'

/** The folders that tsc compiles; test/fixtures holds data and programs, no sources. */
const sourceFolders = ['src', 'commands', 'test']

/**
 * The source files, relative to the package.
 *
 * @param {string} root
 * @returns {string[]}
 */
export function sourceFiles(root) {
  return sourceFolders.flatMap((folder) => filesBelow(root, folder)).filter((file) => /\.m?[tj]s$/.test(file))
}

/**
 * A digest of everything that the build depends on: it changes exactly when a build is needed.
 *
 * @param {string} root
 */
export function sourcesHash(root) {
  const hash = createHash('sha256')
  for (const file of [...sourceFiles(root).sort(), ...projects(root), 'package-lock.json']) {
    hash
      .update(`${file}\0`)
      .update(readFileSync(path.join(root, file)))
      .update('\0')
  }
  return hash.digest('hex')
}

/**
 * What tsc is told to compile, relative to the package: the sources for Node, and folders of sources for browsers,
 * which have other globals.
 *
 * @param {string} root
 */
export function projects(root) {
  const nested = filesBelow(root, 'src').filter((file) => path.basename(file) === 'tsconfig.json')
  return ['tsconfig.json', ...nested.sort()]
}

/**
 * The compiled files whose source is gone, relative to the package: a removed command would still be offered.
 *
 * @param {string} root
 */
export function staleOutputs(root) {
  const stems = new Set(sourceFiles(root).map(stem))
  return sourceFolders
    .flatMap((folder) => filesBelow(path.join(root, 'dist'), folder))
    .filter((file) => !stems.has(stem(file)))
}

/**
 * Whether every source has its compiled file.
 *
 * @param {string} root
 */
export function allOutputsExist(root) {
  return sourceFiles(root)
    .filter((file) => !file.endsWith('.d.mts'))
    .every((file) => existsSync(path.join(root, 'dist', file.replace(/\.(m?)ts$/, '.$1js'))))
}

/**
 * `src/a.ts`, `src/a.js`, `src/a.d.ts` and `src/a.js.map` belong together.
 *
 * @param {string} file
 */
function stem(file) {
  return file.replace(/(\.d)?\.(m?)[tj]s(\.map)?$/, '.$2')
}

/**
 * The files in a folder of the package and below it, relative to the package, without test/fixtures.
 *
 * @param {string} root
 * @param {string} folder
 * @returns {string[]}
 */
export function filesBelow(root, folder) {
  if (folder === path.join('test', 'fixtures') || !existsSync(path.join(root, folder))) return []
  return readdirSync(path.join(root, folder), {withFileTypes: true}).flatMap((entry) => {
    const child = path.join(folder, entry.name)
    return entry.isDirectory() ? filesBelow(root, child) : [child]
  })
}
