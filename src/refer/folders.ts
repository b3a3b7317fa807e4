import {nativeFolders, type NativeFolders} from '../setup/native-folders.js'

const variable = 'VILBERT_TS_REFER_BUILD'

/** The folders of the mask extension. VILBERT_TS_REFER_BUILD names another build folder. */
export function maskFolders(): NativeFolders {
  return nativeFolders('refer', process.env[variable] || undefined)
}

/** What a bridge needs in `env` so that Python finds the extension. */
export function maskEnvironment(): Readonly<Record<string, string>> {
  return {[variable]: maskFolders().build}
}
