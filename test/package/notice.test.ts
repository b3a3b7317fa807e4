import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import test from 'ava'
import {packageRoot} from '../../src/paths.js'
import {requiredPackages} from '../../src/setup/requirements.js'
import {noticedPackages} from '../helpers/notice.js'

type Lock = {
  readonly packages: Readonly<Record<string, {readonly dev?: boolean; readonly license?: string}>>
}

test('NOTICE names every package that npm installs for a user, with its licence, and no other', async (t) => {
  const {npm} = await noticedPackages()
  t.deepEqual(Object.fromEntries(npm), Object.fromEntries(await installedByNpm()))
})

test('NOTICE names every package that the Python environment is made from', async (t) => {
  const {python} = await noticedPackages()
  const unnamed = requiredPackages().filter((name) => !python.has(name.toLowerCase()))
  t.deepEqual(unnamed, [])
})

/** What the lock file says of the packages that are not for development: each name and its licence. */
async function installedByNpm(): Promise<[string, string][]> {
  const {packages} = JSON.parse(await readFile(join(packageRoot, 'package-lock.json'), 'utf8')) as Lock
  const installed = Object.entries(packages).filter(([path, {dev}]) => path !== '' && dev !== true)
  const named = installed.map(([path, {license}]): [string, string] => {
    const name = path.replace(/^.*node_modules\//, '')
    return [name, licenceOf(name, license)]
  })
  return named.sort(([a], [b]) => (a < b ? -1 : 1))
}

/** pythonia has its licence (MIT) in a file only, and two packages spell theirs in a way of their own. */
function licenceOf(name: string, stated: string | undefined): string {
  if (stated === undefined) return name === 'pythonia' ? 'MIT' : 'unknown'
  return stated.replace('apache', 'Apache').replaceAll(/[()]/g, '')
}
