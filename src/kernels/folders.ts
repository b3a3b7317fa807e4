import path from 'node:path'
import {nativeFolders, type NativeFolders} from '../setup/native-folders.js'

const variable = 'VILBERT_TS_KERNELS'

/** The folders of the kernels. */
export function kernelFolders(): NativeFolders {
  return nativeFolders('kernels')
}

/** The library that a build makes. */
export function kernelLibrary(folders: NativeFolders): string {
  return path.join(folders.build, 'libvilbert_kernels.so')
}

/** What the user says about the kernels instead: the path of a library, or `off`. */
export function namedKernels(): string | undefined {
  return process.env[variable] || undefined
}

/** What Python needs in its environment to find the library; whether it fits is found out there. */
export function kernelEnvironment(): Readonly<Record<string, string>> {
  return {[variable]: namedKernels() ?? kernelLibrary(kernelFolders())}
}
