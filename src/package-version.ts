import {readFileSync} from 'node:fs'
import {join} from 'node:path'

import {packageRoot} from './paths.js'

/** The version of this package. */
export function packageVersion(): string {
  const content: unknown = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8'))
  const version: unknown =
    typeof content === 'object' && content !== null ? Reflect.get(content, 'version') : undefined
  return typeof version === 'string' ? version : 'unknown'
}
