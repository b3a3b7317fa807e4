import {Flags} from '@oclif/core'
import {loadConfig} from '../../config/load.js'
import {loadSources, type Source} from './sources.js'

/** Where `data list` and `data download` learn of sources, and where the files belong. */
export const sourceFlags = {
  'data-root': Flags.string({
    helpValue: 'DIR',
    description: 'Folder of the data sets; without it that of --config, else data.',
  }),
  config: Flags.string({
    char: 'c',
    helpValue: 'FILE',
    description: 'Configuration whose sources are known too.',
  }),
  sources: Flags.string({helpValue: 'FILE', description: 'JSON file with sources of your own.'}),
}

/**
 * What these flags say.
 * @throws ConfigError (exit 3) for a wrong configuration or file of sources
 */
export async function readSourceFlags(flags: {
  readonly 'data-root'?: string | undefined
  readonly config?: string | undefined
  readonly sources?: string | undefined
}): Promise<{readonly dataRoot: string; readonly sources: readonly Source[]}> {
  const config =
    flags.config === undefined ? undefined : await loadConfig({file: flags.config, mayLackFiles: true})
  return {
    dataRoot: flags['data-root'] ?? config?.data.dataRoot ?? 'data',
    sources: await loadSources(flags.sources, config?.sources),
  }
}
