import {execa} from 'execa'
import {existsSync} from 'node:fs'
import {readFile, rename, rm} from 'node:fs/promises'
import path from 'node:path'
import {throwIfInterrupted} from '../breathe.js'
import {printable} from '../errors.js'
import {writeFileAtomic} from '../files.js'
import {pythonRoot} from '../paths.js'
import {cleanPythonEnv} from '../setup/base-python.mjs'
import {tellingLine} from '../setup/make.js'
import type {NativeFolders} from '../setup/native-folders.js'
import {NotBuilt} from './not-built.js'

export type HeadersOptions = {
  readonly python: string
  readonly folders: NativeFolders
  /** Where what pip printed goes when it fails. */
  readonly log: string
  /** Told before anything is fetched. */
  readonly onStart?: (() => void) | undefined
  readonly signal?: AbortSignal | undefined
}

const requirements = path.join(pythonRoot, 'requirements-kernels.txt')

/** A server that cannot be reached should be known in seconds: set-up goes on without the kernels. */
const pipArgs = [
  ...[
    '--disable-pip-version-check',
    '--no-input',
    '--progress-bar',
    'off',
    '--retries',
    '1',
    '--timeout',
    '10',
  ],
  ...['--no-deps', '--require-hashes', '--only-binary', ':all:'],
]

/**
 * Fetches the headers of the oneDNN that Paddle's wheel carries, as a package with a known digest, unless they are
 * there.
 *
 * @returns the folder that the compiler is given
 * @throws {NotBuilt} when they cannot be fetched
 */
export async function fetchHeaders(options: HeadersOptions): Promise<string> {
  const {python, folders, log, onStart, signal} = options
  const version = /^onednn-devel==(\S+)/m.exec(await readFile(requirements, 'utf8'))?.[1]
  const folder = path.join(folders.build, `onednn-${version}`)
  const include = path.join(folder, 'include')
  if (existsSync(include)) return include
  onStart?.()
  const unfinished = `${folder}.new`
  await rm(unfinished, {recursive: true, force: true})
  const args = ['-m', 'pip', 'install', ...pipArgs, '--target', unfinished, '--requirement', requirements]
  const {failed, all, escapedCommand} = await execa(python, args, {
    env: cleanPythonEnv(process.env),
    extendEnv: false,
    stdin: 'ignore',
    all: true,
    reject: false,
    ...(signal === undefined ? {} : {cancelSignal: signal}),
  })
  throwIfInterrupted(signal)
  if (failed) {
    await writeFileAtomic(log, `$ ${escapedCommand}\n${all}\n`)
    const line = printable(tellingLine(all), 300)
    throw new NotBuilt(`the headers of oneDNN cannot be fetched: ${line} (all of it is in ${log})`)
  }
  await rename(unfinished, folder)
  return include
}
