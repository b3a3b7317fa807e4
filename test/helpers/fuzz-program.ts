/** Damages the files of one reader for some seconds and prints the report: `node fuzz-program.js READER SECONDS`. */
import {fuzzReader} from './fuzzed-readers.js'

const [name = '', seconds = ''] = process.argv.slice(2)
const report = fuzzReader(name, {timeMs: Number(seconds) * 1000, slowestMs: 2000})
process.stdout.write(`${JSON.stringify(report)}\n`)
