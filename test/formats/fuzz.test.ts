import test from 'ava'
import {fuzzedReaders, fuzzReader} from '../helpers/fuzzed-readers.js'

for (const name of fuzzedReaders) {
  test(`damaged ${name} are read or refused, and nothing else`, (t) => {
    const report = fuzzReader(name, {timeMs: 1000, slowestMs: 2000})
    t.deepEqual(report.failures, [])
    t.true(report.mutants > 100)
    t.log(`${report.mutants} mutants, ${report.accepted} of them readable`)
  })
}
