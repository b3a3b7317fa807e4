import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {packageRoot} from '../../src/paths.js'

/** The packages that NOTICE names, with their licences; those from PyPI in small letters with dashes. */
export async function noticedPackages(): Promise<{npm: Map<string, string>; python: Map<string, string>}> {
  const text = await readFile(join(packageRoot, 'NOTICE'), 'utf8')
  const [npm = '', python = ''] = text.split(/^Packages from .+\n-+\n/m).slice(1)
  return {npm: packagesOf(npm), python: packagesOf(python.toLowerCase().replaceAll('_', '-'))}
}

/** A licence stands on a line of its own, and its packages in the indented lines below it. */
function packagesOf(section: string): Map<string, string> {
  const groups = section.matchAll(/^(\S.*)\n((?: {2}.+\n)+)/gm)
  const named = [...groups].flatMap(([, licence = '', names = '']) =>
    names.split(/[,\s]+/).map((name): [string, string] => [name, licence]),
  )
  return new Map(named.filter(([name]) => name !== '').sort(([a], [b]) => (a < b ? -1 : 1)))
}
