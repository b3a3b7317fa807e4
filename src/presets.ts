import {readdir} from 'node:fs/promises'
import {join} from 'node:path'
import {packageRoot} from './paths.js'

/** The model configurations that come with the package, a JSON file each. */
const presetFolder = join(packageRoot, 'src', 'config', 'presets')

/** Names of the presets, sorted. */
export async function presetNames(): Promise<string[]> {
  const files = await readdir(presetFolder)
  return files
    .filter((file) => file.endsWith('.json'))
    .map((file) => file.slice(0, -'.json'.length))
    .sort()
}

/** File of a preset; whether there is one, {@link presetNames} says. */
export function presetFile(name: string): string {
  return join(presetFolder, `${name}.json`)
}
