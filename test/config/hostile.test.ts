import test from 'ava'
import {mkdtemp, readdir, readFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {validateConfigFile} from '../../src/config/load.js'
import {packageRoot} from '../../src/paths.js'
import {jsonOf, runCli} from '../helpers/cli.js'

type Case = {
  readonly id: string
  readonly file: string
  readonly kind: string
  readonly must: 'accept' | 'reject'
  readonly codes: readonly string[]
  readonly names: readonly string[]
  readonly expect_lr?: number
}

const folder = join(packageRoot, 'test', 'fixtures', 'hostile')
const manifest = JSON.parse(await readFile(join(folder, 'config-manifest.json'), 'utf8')) as {
  readonly seconds: number
  readonly cases: readonly Case[]
}

for (const {id, file, kind, must, codes, names, expect_lr: lr} of manifest.cases) {
  test(`${id} (${kind}) ends in ${must}`, async (t) => {
    const startedAtMs = Date.now()
    const {ok, problems, config} = await validateConfigFile(join(folder, file))
    t.true((Date.now() - startedAtMs) / 1000 < manifest.seconds)
    t.is(ok, must === 'accept', JSON.stringify(problems))
    if (must === 'reject')
      t.true(
        problems.some(({code}) => codes.includes(code)),
        JSON.stringify(problems),
      )
    for (const name of names) t.true(problems.some(({message}) => message.includes(name)))
    if (lr !== undefined) t.is(config?.training.lr, lr)
    t.is(Reflect.get({}, 'polluted'), undefined)
  })
}

test('a file that would run code in other readers leaves nothing behind and exits with 3', async (t) => {
  const cwd = await mkdtemp(join(tmpdir(), 'vilbert-config-'))
  for (const {file} of manifest.cases.filter(({id}) => id.includes('python'))) {
    const result = await runCli(['config', 'validate', join(folder, file), '--json'], {cwd})
    t.is(result.exitCode, 3)
    t.like(jsonOf(result), {ok: false})
  }
  t.deepEqual(await readdir(cwd), [])
})
