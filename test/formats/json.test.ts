import test from 'ava'

import {FormatError} from '../../src/errors.js'
import {MemorySource} from '../../src/formats/byte-source.js'
import {parseJson} from '../../src/formats/json.js'
import type {JsonOptions, JsonValue} from '../../src/formats/json.js'

function parse(text: string | Buffer, options?: JsonOptions): JsonValue {
  const bytes = Buffer.from(text)
  return parseJson(new MemorySource('test.json', bytes), bytes, options)
}

function plain(value: JsonValue): unknown {
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [key, plain(item)]))
  return Array.isArray(value) ? value.map(plain) : value
}

const documents = [
  'null',
  ' [ ] ',
  '{}',
  '[0, -0, 1, -1.5, 1e3, 1E+2, 2e-3, 0.1, 123456789012345, 1234567890123456789, 5e-324, 1.7976931348623157e308]',
  '[0.30000000000000004, 221.52, 182.39, 140.3, 68.53, 0.000001, 100.00, 9007199254740993]',
  '{"a": [true, false, null], "": "b", "ä": "\\u00e4\\n\\"\\\\\\/\\ud83d\\ude00", "long": "a text of more than a few words"}',
]

for (const document of documents) {
  test(`it agrees with JSON.parse on ${document}`, (t) => {
    t.deepEqual(plain(parse(document)), JSON.parse(document))
  })
}

test('it agrees with JSON.parse on ten thousand random numbers', (t) => {
  let seed = 1
  const random = (): number => (seed = (seed * 48271) % 2147483647) / 2147483647
  const texts = Array.from({length: 10_000}, () => {
    const digits = Math.floor(random() * 18)
    return random() < 0.5 ? String((random() - 0.5) * 10 ** digits) : (random() * 1000).toFixed(digits % 13)
  })
  t.deepEqual(parse(`[${texts.join(',')}]`), texts.map(Number))
})

const faults: readonly [string | Buffer, string][] = [
  ['', 'E_JSON'],
  ['[1,]', 'E_JSON'],
  ['[1 2]', 'E_JSON'],
  ['{"a" 1}', 'E_JSON'],
  ['{a: 1}', 'E_JSON'],
  ['[01]', 'E_JSON'],
  ['[1.]', 'E_JSON'],
  ['[.5]', 'E_JSON'],
  ['[+1]', 'E_JSON'],
  ['[1e]', 'E_JSON'],
  ['[1e999]', 'E_JSON'],
  ['[NaN]', 'E_JSON'],
  ['[Infinity]', 'E_JSON'],
  ['[tru]', 'E_JSON'],
  ['"a', 'E_JSON'],
  ['"\n"', 'E_JSON'],
  ['"\\x"', 'E_JSON'],
  ['"\\u12"', 'E_JSON'],
  ['"\\ud800"', 'E_TEXT'],
  ['[] []', 'E_JSON'],
  ['\ufeff[]', 'E_JSON'],
  [Buffer.from([0x22, 0xff, 0x22]), 'E_JSON'],
  ['{"a": 1, "a": 2}', 'E_JSON_DUP'],
  ['{"a": 1, "\\u0061": 2}', 'E_JSON_DUP'],
  ['['.repeat(100_000), 'E_LIMIT'],
  [`[${'{},'.repeat(50_000)}{}]`, 'E_LIMIT'],
  ['<!doctype html>', 'E_FORMAT_HTML'],
]

for (const [document, code] of faults) {
  test(`it refuses ${JSON.stringify(document.toString('latin1').slice(0, 20))} with ${code}`, (t) => {
    t.is(t.throws(() => parse(document), {instanceOf: FormatError}).code, code)
  })
}

test('a key such as __proto__ is a key like any other', (t) => {
  const value = parse('{"__proto__": {"polluted": true}, "constructor": 1}')
  t.true(value instanceof Map && value.has('__proto__') && value.has('constructor'))
  t.is(Reflect.get({}, 'polluted'), undefined)
})

test('an integer that is written as a fraction is none where integers are wanted', (t) => {
  t.deepEqual(parse('[2, 2.0, 2e0, -0]', {integersOnly: true}), [2, NaN, NaN, NaN])
})

const outlines = [
  '[[1, -2.50,3 ,0, 0.125,123456789012345.5,1234567890123456789, 1e3, 5], [], [7]]',
  '[ 1,2,\n3,{"a": "b"}, "text", true, null, -0]',
]

for (const outline of outlines) {
  test(`arrays and keys that nobody wants are read past: ${JSON.stringify(outline.slice(0, 12))}`, (t) => {
    const options = {skippedArrays: new Set(['outline']), keptKeys: new Set(['outline', 'kept'])}
    const text = `[{"outline": ${outline}, "other": ${outline}, "kept": [1]}, {"outline": {"other": 1, "kept": 2}}]`
    t.deepEqual(plain(parse(text, options)), [{kept: [1]}, {outline: {kept: 2}}])
  })
}

for (const [document, code] of [
  ['{"outline": [1, 01, 2]}', 'E_JSON'],
  ['{"outline": [1, 2., 3]}', 'E_JSON'],
  ['{"outline": [1, .5, 3]}', 'E_JSON'],
  ['{"outline": [1, -, 3]}', 'E_JSON'],
  ['{"outline": [1, 2,]}', 'E_JSON'],
  ['{"outline": [1 2]}', 'E_JSON'],
  ['{"outline": [1, 1e999]}', 'E_JSON'],
  ['{"outline": [1, 2', 'E_JSON'],
  ['{"outline": [], "outline": []}', 'E_JSON_DUP'],
  ['{"other": 1, "other": 2}', 'E_JSON_DUP'],
  ['{"other": "\\ud800"}', 'E_TEXT'],
] as const) {
  test(`what nobody wants is checked all the same: ${document} is ${code}`, (t) => {
    const options = {skippedArrays: new Set(['outline']), keptKeys: new Set(['outline'])}
    t.is(t.throws(() => parse(document, options), {instanceOf: FormatError}).code, code)
  })
}
