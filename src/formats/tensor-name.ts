import {printable} from '../errors.js'
import {broken} from './byte-source.js'
import type {ByteSource} from './byte-source.js'

const longestName = 512

/** Answers the name when it can be shown, stored in JSON and told from others; E_KEY otherwise. */
export function checkTensorName(source: ByteSource, name: string): string {
  if (name === '') throw broken(source, 'E_KEY', 'a name is empty')
  if (name.length > longestName) throw broken(source, 'E_KEY', `a name has ${name.length} characters`)
  if (/[\p{Cc}\p{Cf}\p{Cs}]/u.test(name)) {
    throw broken(source, 'E_KEY', `the name "${printable(name)}" has a control or format character`)
  }
  return name
}
