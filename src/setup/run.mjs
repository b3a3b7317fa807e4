import {spawn} from 'node:child_process'
import {createWriteStream} from 'node:fs'
import {createInterface} from 'node:readline'

/**
 * @typedef {object} RunOptions
 * @property {string} [cwd]
 * @property {NodeJS.ProcessEnv} [env]
 * @property {string | undefined} [logFile] everything that the program prints is appended to this file
 * @property {((line: string) => void) | undefined} [onLine]
 * @property {AbortSignal | undefined} [signal] ends the program
 */

const tailLines = 15

/**
 * Runs a program whose output is of interest only when it fails: it goes to a log file, the last lines are kept.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {RunOptions} [options]
 * @returns {Promise<{exitCode: number, output: string, tail: string[]}>} `output` is all that it printed, `tail` the
 *   last lines of it
 */
export async function run(command, args, {cwd, env, logFile, onLine, signal} = {}) {
  const log = logFile === undefined ? undefined : createWriteStream(logFile, {flags: 'a'})
  log?.write(`$ ${[command, ...args].join(' ')}\n`)
  /** @type {string[]} */
  const lines = []
  const child = spawn(command, args, {cwd, env, signal, stdio: ['ignore', 'pipe', 'pipe'], windowsHide: true})
  /** @type {(line: string) => void} */
  const keep = (line) => {
    log?.write(`${line}\n`)
    onLine?.(line)
    lines.push(line)
  }
  createInterface({input: child.stdout}).on('line', keep)
  createInterface({input: child.stderr}).on('line', keep)
  try {
    const exitCode = await exitOf(child)
    return {exitCode, output: lines.join('\n'), tail: lines.slice(-tailLines)}
  } finally {
    await closed(log)
  }
}

/**
 * `close` comes after both pipes have ended, so that no line is lost.
 *
 * @param {import('node:child_process').ChildProcess} child
 * @returns {Promise<number>}
 */
function exitOf(child) {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      resolve(code ?? (signal === null ? 1 : 128))
    })
  })
}

/**
 * The log is complete before a message names it.
 *
 * @param {import('node:fs').WriteStream | undefined} log
 * @returns {Promise<void>}
 */
function closed(log) {
  return new Promise((resolve) => {
    if (log === undefined) resolve()
    else log.end(resolve)
  })
}
