import {readdirSync, readFileSync} from 'node:fs'
import {basename, join} from 'node:path'
import {packageRoot} from '../../src/paths.js'
import {closed, misfits, type JsonSchema} from './json-schema.js'

const folder = join(packageRoot, 'schemas')

/** The names of the schemas that the package ships. */
export function schemaNames(): string[] {
  return readdirSync(folder).map((file) => basename(file, '.json'))
}

/** Where what was printed is not exactly as the package's schema says, without a key more. */
export function unlike(name: string, printed: unknown): string[] {
  const schema = JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as JsonSchema
  return misfits(closed(schema), printed)
}
