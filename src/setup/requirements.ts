import {readFileSync} from 'node:fs'
import path from 'node:path'
import {pythonRoot} from '../paths.js'

/** The names of the packages that the program needs in Python, as the requirements have them. */
export function requiredPackages(): string[] {
  const text = readFileSync(path.join(pythonRoot, 'requirements.txt'), 'utf8')
  const names = text.split('\n').map((line) => /^[A-Za-z][\w.-]*/.exec(line)?.[0])
  return [...new Set(names.filter((name) => name !== undefined))]
}
