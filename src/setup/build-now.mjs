// `npm run build`, and the first step of packing: compiles, needed or not, with the npm packages that are there.
import {fileURLToPath} from 'node:url'
import {build} from './build.mjs'
import {showFailure} from './failure.mjs'

await build(fileURLToPath(new URL('../..', import.meta.url))).catch(showFailure)
