import {readFileSync} from 'node:fs'
import {join} from 'node:path'

import type {Verification} from '../../src/verify/verify.js'
import {hostileFolder, hostileManifest} from './hostile.js'
import type {HostileCase} from './hostile.js'

/** Manifests of the same form as that of the formats, with the families that `verify` reads. */
const manifests: readonly (readonly [file: string, family: string])[] = [
  ['metadata-manifest.json', 'metadata'],
  ['config-manifest.json', 'config'],
  ['download-manifest.json', 'archive'],
]

/** Every bad or odd file that `verify` can be given. */
export const hostileCases: readonly HostileCase[] = [...hostileManifest.cases, ...manifests.flatMap(casesOf)]

function casesOf([file, family]: (typeof manifests)[number]): HostileCase[] {
  const {cases} = JSON.parse(readFileSync(join(hostileFolder, file), 'utf8')) as {
    cases: (Omit<HostileCase, 'names'> & Partial<HostileCase>)[]
  }
  const reader = family as HostileCase['reader']
  return cases
    .filter((hostile) => hostile.file?.startsWith(`${family}/`))
    .map((hostile) => ({...hostile, names: hostile.names ?? [], reader}))
}

/** What is wrong with the outcome of a case; undefined when it is as the manifest demands. */
export function isAsDemanded(hostile: HostileCase, found: Verification | undefined): string | undefined {
  if (found === undefined) return 'there is no outcome'
  const {ok, code, message} = found
  const said = `${hostile.must} was demanded, the outcome is ${code ?? 'ok'}: ${message ?? ''}`
  if (ok) return hostile.must === 'accept' || hostile.must === 'either' ? undefined : said
  if (hostile.must === 'accept' || !hostile.codes.some((wanted) => wanted === '*' || wanted === code))
    return said
  if (/[\0-\x1f\x7f-\x9f]/.test(message ?? '')) return `the message has control characters: ${message ?? ''}`
  const unnamed = hostile.names.filter((name) => message?.includes(name) !== true)
  return hostile.must === 'either' || unnamed.length === 0
    ? undefined
    : `${unnamed.join()} is not named: ${said}`
}
