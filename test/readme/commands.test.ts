import {existsSync} from 'node:fs'
import {dirname, join} from 'node:path'
import {Config, Parser} from '@oclif/core'
import test from 'ava'
import {packageRoot} from '../../src/paths.js'
import {codeBlocks, commandsOf, readDocument, section} from '../helpers/readme.js'

const documents = [
  'README.md',
  'README.zh-CN.md',
  'data/README.md',
  'checkpoints/README.md',
  'python/README.md',
]

for (const file of documents) {
  test(`the commands in ${file} are accepted by the parser of the command line`, async (t) => {
    const commands = codeBlocks(await readDocument(file), 'sh').flatMap(commandsOf)
    t.true(commands.length > 0)
    for (const words of commands) await t.notThrowsAsync(accept(words), words.join(' '))
  })
}

test('the files that the documents link to exist', async (t) => {
  for (const file of documents) {
    const links = [...(await readDocument(file)).matchAll(/\]\((?!https?:|#)([^)#]+)[^)]*\)/g)]
    for (const [, link = ''] of links)
      t.true(existsSync(join(packageRoot, dirname(file), link)), `${file}: ${link}`)
  }
})

test('a command or flag that does not exist is noticed', async (t) => {
  await t.throwsAsync(accept(['vilbert-ts', 'evaluate', '--split', 'val']))
  await t.throwsAsync(accept(['vilbert-ts', 'eval', '--splits', 'val']))
  await t.throwsAsync(accept(['vilbert-ts', 'data', 'synth', '--images', 'many']))
  await t.throwsAsync(accept(['npm', 'run', 'dmeo']))
})

test('the command table has a line for every command, and no other', async (t) => {
  const known = Object.keys(JSON.parse(await readDocument('test/fixtures/commands.json')) as object)
  for (const [file, heading] of [
    ['README.md', 'Commands'],
    ['README.zh-CN.md', '命令'],
  ] as const) {
    const table = section(await readDocument(file), heading)
    const listed = [...table.matchAll(/^\| `([^`]+)`/gm)].map(([, name]) => name)
    t.deepEqual(listed, known, file)
  }
})

test('the Chinese README has the code and the headings of the English one, and each links to the other', async (t) => {
  const [english, chinese] = await Promise.all([readDocument('README.md'), readDocument('README.zh-CN.md')])
  t.deepEqual(codeBlocks(chinese), codeBlocks(english))
  t.deepEqual(ranks(chinese), ranks(english))
  t.true(english.includes('(README.zh-CN.md)') && chinese.includes('(README.md)'))
})

/** Whether a command of a document could be run: the parser takes it, or the script exists. */
async function accept(words: readonly string[]): Promise<void> {
  const [program, ...rest] = words
  if (program === 'vilbert-ts') return acceptByParser(rest)
  if (program === 'npm') return acceptByNpm(rest)
  const others = ['.ci/run', 'alias', 'cat', 'make', 'node']
  if (!others.includes(program ?? '')) throw new Error(`unknown program ${program}`)
}

async function acceptByParser(words: readonly string[]): Promise<void> {
  const config = await Config.load(packageRoot)
  const twoWords = words.slice(0, 2).join(':')
  const id = config.findCommand(twoWords) === undefined ? (words[0] ?? '') : twoWords
  const command = await config.findCommand(id, {must: true}).load()
  const {args, strict} = command
  const flags = {...command.baseFlags, ...command.flags}
  await Parser.parse(words.slice(id.split(':').length), {args, flags, strict})
}

async function acceptByNpm([verb = '', script = '']: readonly string[]): Promise<void> {
  const {scripts} = JSON.parse(await readDocument('package.json')) as {scripts: Record<string, string>}
  const name = verb === 'run' ? script : verb
  if (!(name in scripts)) throw new Error(`package.json has no script ${name}`)
}

function ranks(markdown: string): readonly number[] {
  const prose = markdown.replaceAll(/^```[\s\S]*?^```$/gm, '')
  return [...prose.matchAll(/^(#+) /gm)].map(([, marks]) => marks?.length ?? 0)
}
