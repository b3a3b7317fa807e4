import {Config} from '@oclif/core'
import {Help} from '@oclif/core/help'
import test, {type ExecutionContext} from 'ava'
import {once} from 'node:events'
import {spawn} from 'node:child_process'
import {readFile, rm} from 'node:fs/promises'
import {join} from 'node:path'
import {pathToFileURL} from 'node:url'
import {packageRoot} from '../src/paths.js'
import {cliFile, runCli} from './helpers/cli.js'
import {golden, goldenDataRoot} from './helpers/golden.js'
import {installPackage} from './helpers/installed-package.js'

const ROUNDS = 15
const TRIES = 4

test('--help takes at most three times as long as Node with nothing to do', async (t) => {
  let ratio = Infinity
  // Other tests run beside this one, some for many seconds on all cores: a try that they disturbed is no measurement.
  for (let attempt = 0; attempt < TRIES && ratio > 3; attempt += 1) ratio = await helpRatio(t)
  t.true(ratio <= 3, `${ratio.toFixed(2)} times node -e 0`)
})

/** The fastest of many runs in turns, which are those that were disturbed least. */
async function helpRatio(t: ExecutionContext): Promise<number> {
  const [nodeMs, helpMs]: [number[], number[]] = [[], []]
  for (let round = 0; round < ROUNDS; round += 1) {
    nodeMs.push(await timeNode(['-e', '0']))
    helpMs.push(await timeNode([cliFile, '--help']))
  }
  const ratio = Math.min(...helpMs) / Math.min(...nodeMs)
  t.log(`${Math.min(...helpMs).toFixed(0)} ms, ${ratio.toFixed(2)} times node -e 0`)
  return ratio
}

test('the list of commands is the one that oclif would print of the commands themselves', async (t) => {
  const config = new Config({root: packageRoot, ignoreManifest: true})
  await config.load()
  const lines: string[] = []
  const help = new (class extends Help {
    protected override log(...parts: string[]): void {
      lines.push(parts.join(' '))
    }
  })(config)
  await help.showHelp([])
  for (const args of [[], ['--help'], ['help']]) {
    const {stdout, stderr, exitCode} = await runCli(args)
    t.deepEqual({stdout, stderr, exitCode}, {stdout: `${lines.join('\n')}\n`, stderr: '', exitCode: 0})
  }
})

test('without what the build wrote down, help is slower but the same', async (t) => {
  const installed = await installPackage(t)
  const inColumns = (columns: string) => installed.run(['--help'], {env: {OCLIF_COLUMNS: columns}})
  const widths = ['30', '60', '80', '120']
  const quick = await Promise.all(widths.map(inColumns))
  await rm(join(installed.folder, 'oclif.manifest.json'))
  t.deepEqual(await Promise.all(widths.map(inColumns)), quick)
  for (const {exitCode} of quick) t.is(exitCode, 0)
})

test('every command with its flags is written down by the build', async (t) => {
  const config = new Config({root: packageRoot, ignoreManifest: true})
  await config.load()
  const written = JSON.parse(await readFile(join(packageRoot, 'oclif.manifest.json'), 'utf8')) as {
    commands: Record<string, {flags: object}>
  }
  const own = config.commands.filter(({pluginName}) => pluginName === config.name)
  t.deepEqual(Object.keys(written.commands).sort(), own.map(({id}) => id).sort())
  for (const {id, flags} of own) {
    t.deepEqual(Object.keys(written.commands[id]?.flags ?? {}).sort(), Object.keys(flags).sort())
  }
})

test('a command that needs no Python starts no process and does not load pythonia', async (t) => {
  const dataRoot = await goldenDataRoot(t)
  const commands = [
    ['--help'],
    ['--version'],
    ['train', '--help'],
    ['config', 'validate', join(golden, 'config.json')],
    ['config', 'show', '--json'],
    ['config', 'schema'],
    ['data', 'list', '--json'],
    ['refer', 'show', '1', '--data-root', dataRoot, '--json'],
  ]
  for (const args of commands) {
    const {stdout, stderr, exitCode} = await runAlone(args)
    t.deepEqual({stderr, exitCode}, {stderr: '', exitCode: 0}, args.join(' '))
    t.not(stdout, '', args.join(' '))
  }
})

test('a command that needs Python would be caught at it', async (t) => {
  const {stderr, exitCode} = await runAlone(['data', 'synth', '--output', 'unused', '--images', '4'])
  t.is(exitCode, 99)
  t.regex(stderr, /a process was started/)
})

/** Runs the command line where nothing else can be started. */
function runAlone(args: readonly string[]) {
  const hook = pathToFileURL(join(packageRoot, 'test/fixtures/node/no-processes.mjs')).href
  return runCli(args, {env: {NODE_OPTIONS: `--import=${hook}`, VILBERT_TS_PYTHON: process.execPath}})
}

async function timeNode(args: readonly string[]): Promise<number> {
  const start = performance.now()
  await once(spawn(process.execPath, args, {stdio: 'ignore', env: {...process.env, NODE_ENV: ''}}), 'exit')
  return performance.now() - start
}
