import {loadModelConfig} from '../config/load.js'
import type {ModelConfig} from '../config/model.js'
import {presetFile, presetNames} from '../presets.js'

/** The model that a flag names: a preset, or a file. @throws ConfigError */
export async function namedModel(nameOrFile: string): Promise<ModelConfig> {
  const isPreset = (await presetNames()).includes(nameOrFile)
  return await loadModelConfig(isPreset ? presetFile(nameOrFile) : nameOrFile)
}
