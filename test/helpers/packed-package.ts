import {cp, mkdtemp, rm, writeFile} from 'node:fs/promises'
import {homedir, tmpdir} from 'node:os'
import {join} from 'node:path'
import {execa} from 'execa'
import {packageRoot} from '../../src/paths.js'
import type {CliResult} from './cli.js'

/** The package as `npm pack` makes it, installed by npm into an empty folder elsewhere. */
export type PackedPackage = {
  readonly folder: string
  /** The user's cache folder, where its Python environment goes. */
  readonly cache: string
  /** What npm put into the package, from the package's own folder. */
  readonly files: readonly string[]
  /** Runs a program that npm installed, such as `vilbert-ts` or `tsc`, or this Node. */
  run(program: string, args: readonly string[], timeoutMs?: number): Promise<CliResult>
  remove(): Promise<void>
}

type PackReport = readonly {readonly filename: string; readonly files: readonly {readonly path: string}[]}[]

/** Packs and installs, with TypeScript and the types of Node beside it as in a user's own project. */
export async function installPacked(): Promise<PackedPackage> {
  const folder = await mkdtemp(join(tmpdir(), 'packed-'))
  const cache = join(folder, 'cache')
  const packed = await execa('npm', ['pack', '--json', '--pack-destination', folder], {cwd: packageRoot})
  // Behind the lines of the build, which npm runs first.
  const report = JSON.parse(packed.stdout.slice(packed.stdout.search(/^\[$/m))) as PackReport
  const [{filename, files} = {filename: '', files: []}] = report
  await writeFile(join(folder, 'package.json'), '{"private": true, "type": "module"}\n')
  const tools = ['typescript@6.0.3', '@types/node@20.19.43']
  const options = ['--prefer-offline', '--no-audit', '--no-fund', '--engine-strict']
  await execa('npm', ['install', ...options, join(folder, filename), ...tools], {cwd: folder})
  await cp(join(packageRoot, 'test', 'fixtures', 'consumer'), folder, {recursive: true})
  const bin = join(folder, 'node_modules', '.bin')
  return {
    folder,
    cache,
    files: files.map(({path}) => path),
    async run(program, args, timeoutMs = 60_000) {
      const {stdout, stderr, exitCode, signal} = await execa(
        program === 'node' ? process.execPath : join(bin, program),
        args,
        {cwd: folder, env: userEnvironment(cache), timeout: timeoutMs, reject: false},
      )
      return {stdout, stderr, exitCode, signal}
    },
    remove: () => rm(folder, {recursive: true, force: true}),
  }
}

/** A user's: no Python is named, and the cache is empty, except that pip need not fetch everything again. */
function userEnvironment(cache: string): Record<string, string> {
  return {
    NODE_ENV: '',
    VILBERT_TS_PYTHON: '',
    VILBERT_TS_PYTHON_BASE: '',
    XDG_CACHE_HOME: cache,
    PIP_CACHE_DIR: process.env['PIP_CACHE_DIR'] ?? join(homedir(), '.cache', 'pip'),
  }
}
