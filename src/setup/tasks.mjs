import {spawn} from 'node:child_process'
import {fileURLToPath} from 'node:url'

/**
 * A program to run; `node` stands for this Node, and tools of node_modules are found as npm scripts find them.
 *
 * @typedef {readonly [name: string, command: string, ...args: string[]]} Task
 */

export const root = fileURLToPath(new URL('../..', import.meta.url))

/**
 * Runs programs one after the other, all of them even when one fails, because each failure is worth knowing.
 *
 * @param {readonly Task[]} tasks
 * @param {(line: string) => void} [report] told how each ended
 * @returns {Promise<string[]>} the names of those that failed
 */
export async function runAll(tasks, report) {
  /** @type {string[]} */
  const failed = []
  for (const [name, command, ...args] of tasks) {
    const startedAtMs = Date.now()
    const exitCode = await runInherited(command, args)
    const duration = `${((Date.now() - startedAtMs) / 1000).toFixed(1)} s`
    report?.(`${exitCode === 0 ? '✓' : '✗'} ${name} (${duration})`)
    if (exitCode !== 0) failed.push(name)
  }
  return failed
}

/**
 * Makes the clone ready; without that nothing else can be run.
 *
 * @returns {Promise<boolean>}
 */
export async function makeReady() {
  process.exitCode = await runInherited('node', ['src/setup/ready.mjs'])
  return process.exitCode === 0
}

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @returns {Promise<number>}
 */
function runInherited(command, args) {
  return new Promise((resolve) => {
    const program = command === 'node' ? process.execPath : `${root}node_modules/.bin/${command}`
    const child = spawn(program, args, {cwd: root, stdio: 'inherit', shell: process.platform === 'win32'})
    child.once('error', (error) => {
      process.stderr.write(`${command} does not run: ${error.message}\n`)
      resolve(1)
    })
    child.once('close', (code) => {
      resolve(code ?? 1)
    })
  })
}
