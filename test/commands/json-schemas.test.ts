import {readdir, readFile, rm, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import test from 'ava'
import {packageRoot} from '../../src/paths.js'
import {closed, misfits, type JsonSchema} from '../helpers/json-schema.js'
import {resultSchemas} from '../helpers/result-schemas.js'

const folder = join(packageRoot, 'schemas')

/** Scripts rely on the keys of results, so no change to them happens unseen. */
test('schemas/ says what each command prints in --json', async (t) => {
  const schemas = resultSchemas()
  if (process.env['UPDATE_SNAPSHOTS'] === '1') await write(schemas)
  const howToRenew =
    'If the change is meant: UPDATE_SNAPSHOTS=1 npx ava dist/test/commands/json-schemas.test.js, and CHANGELOG says it.'
  const written = await Promise.all(
    (await readdir(folder)).map(async (file) => [file, await readSchema(file)] as const),
  )
  const found = [...schemas].map(([name, schema]) => [`${name}.json`, schema] as const)
  t.deepEqual(Object.fromEntries(written), Object.fromEntries(found), howToRenew)
})

test('a result with a key too few, too many, or of another type would be caught', async (t) => {
  const schema = (await readSchema('checkpoint-diff.json')) as JsonSchema
  const good = {equal: true, onlyInA: [], onlyInB: [], tensors: [], maxAbsDifference: 0, compared: 1}
  const more = {...good, more: 1}
  t.deepEqual([misfits(schema, good), misfits(closed(schema), good), misfits(schema, more)], [[], [], []])
  t.regex(misfits(closed(schema), more).join(), /must NOT have additional properties/)
  t.regex(misfits(schema, {...good, equal: undefined}).join(), /must have required property 'equal'/)
  t.regex(misfits(schema, {...good, compared: 'one'}).join(), /compared must be number/)
})

async function write(schemas: ReturnType<typeof resultSchemas>): Promise<void> {
  for (const file of await readdir(folder)) await rm(join(folder, file))
  for (const [name, schema] of schemas) {
    await writeFile(join(folder, `${name}.json`), `${JSON.stringify(schema, null, 2)}\n`)
  }
}

async function readSchema(file: string): Promise<unknown> {
  return JSON.parse(await readFile(join(folder, file), 'utf8'))
}
