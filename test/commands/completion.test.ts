import test from 'ava'
import {execa} from 'execa'
import {runCli} from '../helpers/cli.js'
import {temporaryFolder} from '../helpers/golden.js'

/** What bash offers for a command line whose last word is not finished, by the function that it was told to ask. */
const ask = `
ask() {
  COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
  "$(complete -p vilbert-ts | sed 's/.*-F \\([^ ]*\\).*/\\1/')" vilbert-ts "\${COMP_WORDS[COMP_CWORD]}"
  printf '%s\\n' "\${COMPREPLY[*]}"
}
`

const isFiles = "[[ $(complete -p vilbert-ts) == *' -o default '* ]] && echo files"

test('bash completes commands and flags once it has read what autocomplete says', async (t) => {
  const env = {XDG_CACHE_HOME: await temporaryFolder(t)}
  const instructions = await runCli(['autocomplete', 'bash'], {env})
  t.is(instructions.exitCode, 0, instructions.stderr)
  t.regex(instructions.stdout, /autocomplete script bash/)
  const script = await runCli(['autocomplete', 'script', 'bash'], {env})
  const questions = [
    ['tr'],
    ['data', ''],
    ['checkpoint', 'in'],
    ['train', '--ep'],
    ['run', 'prune', '--dry'],
    ['train', '--data-root', 'data/demo', '--ep'],
    ['data', 'download', 'refcoco+', '--mir'],
    ['verify', 'data/a', '--a'],
    ['verify', 'chec'],
  ]
  const lines = questions.map((words) => `ask vilbert-ts ${words.map((word) => `'${word}'`).join(' ')}`)
  const bash = await execa('bash', ['--norc', '-c', [script.stdout, ask, ...lines, isFiles].join('\n')], {
    env,
  })
  t.is(bash.stderr, '')
  const [topCommand, below, ...rest] = bash.stdout.split('\n')
  t.is(topCommand, 'train')
  t.deepEqual(below?.split(' ').sort(), ['download', 'import', 'list', 'pack', 'stats', 'synth'])
  // For the last one, a file, there is nothing to offer, and bash completes names of files itself.
  t.deepEqual(rest, ['inspect', '--epochs', '--dry-run', '--epochs', '--mirror', '--as', '', 'files'])
})
