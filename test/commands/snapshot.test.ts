import {Config} from '@oclif/core'
import test from 'ava'
import {readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {packageRoot} from '../../src/paths.js'

const snapshotFile = join(packageRoot, 'test', 'fixtures', 'commands.json')

/** Scripts rely on the names of commands and flags, so no change to them happens unseen. */
test('commands, arguments, flags, aliases and defaults are the ones that users rely on', async (t) => {
  const found = await describeCommands()
  if (process.env['UPDATE_SNAPSHOTS'] === '1')
    await writeFile(snapshotFile, `${JSON.stringify(found, null, 2)}\n`)
  const howToRenew =
    'If the change is meant: UPDATE_SNAPSHOTS=1 npx ava dist/test/commands/snapshot.test.js, and CHANGELOG says it.'
  t.deepEqual(found, JSON.parse(await readFile(snapshotFile, 'utf8')), howToRenew)
})

test('every command, argument and flag is described', async (t) => {
  for (const {id, summary, flags, args} of await ownCommands()) {
    t.truthy(summary, id)
    for (const {name, description} of [...Object.values(flags), ...Object.values(args)]) {
      t.truthy(description, `${id} ${name}`)
    }
  }
})

/** Those of this package; the plug-in for completion looks after its own. */
async function ownCommands(): Promise<Config['commands']> {
  const {commands, name} = await Config.load(packageRoot)
  return commands.filter(({pluginName}) => pluginName === name)
}

/** One readable line for each argument and flag, so that a difference reads like a sentence. */
async function describeCommands(): Promise<Record<string, string[]>> {
  const sorted = (await ownCommands()).sort((a, b) => (a.id < b.id ? -1 : 1))
  return Object.fromEntries(
    sorted.map(({id, args, flags}) => [
      id.replaceAll(':', ' '),
      [
        ...Object.values(args).map(({name, required}) => (required === true ? name : `[${name}]`)),
        ...Object.values(flags).map(flagLine).sort(),
      ],
    ]),
  )
}

type CachedFlag = Config['commands'][number]['flags'][string]

/** `--name=VALUE (char, aliases, choices, default, required, repeatable)` of a flag. */
function flagLine(flag: CachedFlag): string {
  const details = [
    flag.char === undefined ? undefined : `-${flag.char}`,
    flag.aliases?.map((alias) => `also --${alias}`).join(', '),
    flag.type === 'option' ? flag.options?.join('|') : undefined,
    flag.default === undefined ? undefined : `default ${JSON.stringify(flag.default)}`,
    flag.required === true ? 'required' : undefined,
    flag.type === 'option' && flag.multiple === true ? 'repeatable' : undefined,
  ].filter((detail) => detail !== undefined && detail !== '')
  const name = flag.type === 'boolean' && flag.allowNo ? `--[no-]${flag.name}` : `--${flag.name}`
  const value = flag.type === 'option' ? '=' : ''
  return `${name}${value}${details.length > 0 ? ` (${details.join('; ')})` : ''}`
}
