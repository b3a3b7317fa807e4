import {Config} from '@oclif/core'
import test from 'ava'
import {packageRoot} from '../../src/paths.js'
import {runCli} from '../helpers/cli.js'

test('the help of every command of ours begins with what it does and examples of it', async (t) => {
  const {commands, name, bin} = await Config.load(packageRoot)
  const own = commands.filter(({pluginName}) => pluginName === name)
  t.true(own.length > 25)
  for (const {id, summary = ''} of own) {
    const words = id.split(':')
    const {stdout, stderr, exitCode} = await runCli([...words, '--help'], {env: {COLUMNS: '200'}})
    t.deepEqual({stderr, exitCode}, {stderr: '', exitCode: 0}, id)
    const [first, examples = ''] = stdout.split(/\n\n(?=[A-Z ]+\n)/)
    t.is(first, summary)
    t.true(examples.startsWith('EXAMPLES\n'), id)
    t.true(examples.includes(`  $ ${bin} ${words.join(' ')}`), examples)
    t.true(stdout.indexOf('\nUSAGE\n') > examples.length, id)
  }
})
