import {fileURLToPath} from 'node:url'

/** The package's own folder, from the compiled file in `dist/src/`. */
export const packageRoot = fileURLToPath(new URL('../..', import.meta.url))

/** The folder that is put on Python's module path. */
export const pythonRoot = fileURLToPath(new URL('../../python', import.meta.url))
