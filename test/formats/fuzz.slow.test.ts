import {availableParallelism} from 'node:os'
import {join} from 'node:path'
import test from 'ava'
import {z} from 'zod'
import {packageRoot} from '../../src/paths.js'
import {finished, startProgram} from '../helpers/cli.js'
import {fuzzedReaders} from '../helpers/fuzzed-readers.js'

/** What CI gives every reader. */
const seconds = 60
const program = join(packageRoot, 'dist', 'test', 'helpers', 'fuzz-program.js')
const reportSchema = z.object({mutants: z.number(), accepted: z.number(), failures: z.array(z.string())})

test(`${seconds} s of damaged files find nothing in any reader`, async (t) => {
  const waiting = [...fuzzedReaders]
  const work = async (): Promise<void> => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      const run = startProgram(program, [name, String(seconds)], {timeoutMs: 3 * seconds * 1000})
      const {exitCode, stdout, stderr} = await finished(run)
      t.is(exitCode, 0, `${name}: ${stderr}`)
      const report = reportSchema.parse(JSON.parse(stdout))
      t.deepEqual(report.failures, [], name)
      t.log(`${name}: ${report.mutants} mutants, ${report.accepted} of them readable`)
    }
  }
  // A reader keeps one core busy, so that many run at once.
  await Promise.all(Array.from({length: availableParallelism()}, work))
})
