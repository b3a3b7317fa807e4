// `npm test` and `npm run test:slow`: ava first, pytest last, each to its end. Words behind `--` go to ava, and
// pytest is left out then: `npm test -- --match '*bridge*'`.
import {readFileSync} from 'node:fs'
import path from 'node:path'
import {filesBelow} from './source-tree.mjs'
import {makeReady, root, runAll} from './tasks.mjs'

/** @typedef {import('./tasks.mjs').Task} Task */

const slow = process.argv[2] === '--slow'
const forAva = process.argv.slice(slow ? 3 : 2)

if (await makeReady()) {
  const tasks = slow ? slowTasks() : quickTasks()
  const failed = await runAll(forAva.length > 0 ? tasks.slice(0, 1) : tasks)
  if (failed.length > 0) {
    process.stderr.write(`failed: ${failed.join(', ')}\n`)
    process.exitCode = 1
  }
}

/** @returns {Task[]} */
function quickTasks() {
  return [['ava', 'ava', ...forAva], pytestTask('pytest', 'not slow')]
}

/**
 * ava takes only files that its configuration names, so slow tests need a configuration of their own. Both runners
 * take it for a mistake when there is nothing to run.
 *
 * @returns {Task[]}
 */
function slowTasks() {
  const files = filesBelow(root, 'test')
  const hasSlowAva = files.some((file) => file.endsWith('.slow.test.ts'))
  const hasSlowPytest = files.some(
    (file) => file.endsWith('.py') && readFileSync(path.join(root, file), 'utf8').includes('mark.slow'),
  )
  /** @type {Task} */
  const ava = ['slow ava tests', 'ava', '--config', 'src/setup/ava-slow.config.mjs', ...forAva]
  return [...(hasSlowAva ? [ava] : []), ...(hasSlowPytest ? [pytestTask('slow pytest', 'slow')] : [])]
}

/**
 * @param {string} name
 * @param {string} marks
 * @returns {Task}
 */
function pytestTask(name, marks) {
  const options = ['-c', 'python/pyproject.toml', '--rootdir', 'python', '-m', marks, 'test/python']
  return [name, 'node', 'src/setup/venv-run.mjs', 'pytest', ...options]
}
