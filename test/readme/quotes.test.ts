import {readdir, readFile} from 'node:fs/promises'
import {join} from 'node:path'
import test from 'ava'
import {packageRoot} from '../../src/paths.js'
import {codeBlocks, readDocument} from '../helpers/readme.js'

const examples = join(packageRoot, 'test', 'examples')

test('README quotes every example as it is, and no other code that looks like one', async (t) => {
  const readme = await readDocument('README.md')
  const quoted = codeBlocks(readme, 'ts')
  const names = (await readdir(examples)).filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
  const files = await Promise.all(names.map((name) => readFile(join(examples, name), 'utf8')))
  t.is(names.length, 6)
  t.deepEqual(quoted.toSorted(), files.toSorted())
  for (const name of names) t.true(readme.includes(`(test/examples/${name})`), `README names ${name}`)
})
