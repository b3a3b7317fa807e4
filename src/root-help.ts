import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import type {Config} from '@oclif/core/config'
import {packageRoot} from './paths.js'

/** What oclif's list of commands reads of its configuration. */
type ListedConfig = Pick<
  Config,
  'bin' | 'commands' | 'name' | 'pjson' | 'root' | 'topics' | 'topicSeparator' | 'userAgent'
>

/**
 * Shows the list of commands, by oclif's own class for it but from files alone: a whole oclif configuration also looks
 * for plug-ins, hooks and the user's shell, which takes longer than all the rest.
 * @returns whether it could: only a build has written down the commands
 */
export async function showRootHelp(): Promise<boolean> {
  const config = readConfig()
  if (config === undefined) return false
  const {Help} = await import('@oclif/core/help')
  process.stdout.on('error', ignoreClosedPipe)
  await new Help(config as Config).showHelp([])
  return true
}

/** A reader that went away (`vilbert-ts | head`) is no failure of ours. */
export function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error
}

function readConfig(): ListedConfig | undefined {
  try {
    const pjson = readJson(join(packageRoot, 'package.json')) as Config['pjson']
    const {name, version, oclif} = pjson
    const roots = [packageRoot, ...(oclif.plugins ?? []).map(pluginRoot)]
    const commands = roots.flatMap(commandsOf)
    return {
      bin: oclif.bin ?? name,
      commands,
      name,
      pjson,
      root: packageRoot,
      topics: topicsOf(pjson, commands),
      topicSeparator: ' ',
      userAgent: `${name}/${version} ${process.platform}-${process.arch} node-${process.version}`,
    }
  } catch {
    return undefined
  }
}

/** oclif lists a topic only where something else is known to lie below it, so commands count as topics too. */
function topicsOf({oclif}: Config['pjson'], commands: Config['commands']): Config['topics'] {
  const named = Object.entries(oclif.topics ?? {}).map(([name, topic]) => ({...topic, name}))
  return [...named, ...commands.map(({id}) => ({name: id}))]
}

/** The commands that the build of a package has written down, without those that only programs call. */
function commandsOf(root: string): Config['commands'] {
  const manifest = readJson(join(root, 'oclif.manifest.json')) as {
    commands: Record<string, Config['commands'][number]>
  }
  return Object.values(manifest.commands).filter(({hidden}) => !hidden)
}

/** The folder of a plug-in; its main file lies one folder below. */
function pluginRoot(name: string): string {
  return fileURLToPath(new URL('..', import.meta.resolve(name)))
}

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(file, 'utf8'))
}
