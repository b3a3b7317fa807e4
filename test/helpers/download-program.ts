/** Fetches one source in a process of its own, so that tests can kill it: `node download-program.js DATA_ROOT SOURCE`. */
import {fetchSource} from '../../src/data/download/fetch-source.js'
import {sourcesSchema} from '../../src/data/download/sources.js'
import {Transports} from '../../src/data/download/transports.js'

const [dataRoot = '', text = ''] = process.argv.slice(2)
const {sources} = sourcesSchema.parse({schema: 'vilbert-ts/sources@1', sources: [JSON.parse(text)]})
const [source] = sources
if (source === undefined) throw new Error('no source')
await using transports = new Transports({findPython: () => Promise.reject(new Error('no Python is needed'))})
process.stdout.write('ready\n')
const {status} = await fetchSource(source, {dataRoot, transportFor: transports.for, backOffMs: 5})
process.stdout.write(`${status}\n`)
