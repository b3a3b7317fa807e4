import {ConfigError, printable} from '../../errors.js'
import {sourceKinds, type SourceKind} from './sources.js'

/**
 * Reads a list such as `annotations,features`.
 * @throws ConfigError E_KIND naming the known ones
 */
export function parseKinds(text: string): readonly SourceKind[] {
  const names = text.split(',').map((name) => name.trim())
  return names.map((name) => {
    const kind = sourceKinds.find((known) => known === name)
    if (kind !== undefined) return kind
    throw new ConfigError(`"${printable(name)}" is not a kind of data.`, {
      code: 'E_KIND',
      next: `Known are ${sourceKinds.join(', ')}.`,
    })
  })
}
