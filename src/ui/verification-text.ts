import {printable} from '../errors.js'
import type {Verification} from '../verify/verify.js'

/** A line for each file, and the sum where there are several. */
export function verificationText(found: readonly Verification[]): string {
  const lines = found.map(({path, kind, ok, code, message}) =>
    ok ? `ok   ${printable(path, 300)} (${kind})` : `bad  ${message ?? printable(path, 300)} [${code ?? ''}]`,
  )
  const bad = found.filter(({ok}) => !ok).length
  return [...lines, ...(found.length > 1 ? [`${found.length} files, ${bad} bad`] : [])].join('\n')
}
