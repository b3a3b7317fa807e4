import test from 'ava'
import {readFileSync} from 'node:fs'
import {join} from 'node:path'

import {castPieces, toNumbers} from '../../src/checkpoint/float-casts.js'
import type {FloatDtype} from '../../src/checkpoint/float-casts.js'
import {runFixture} from '../helpers/checkpoint.js'
import {emptyFolder} from '../helpers/hostile.js'

const folder = emptyFolder()
test.before(async () => {
  await runFixture('float_casts.py', folder)
})

const casts: readonly (readonly [FloatDtype, Exclude<FloatDtype, 'F64'>, string, string])[] = [
  ['F64', 'F32', 'f64', 'f32'],
  ['F64', 'F16', 'f64', 'f64-f16'],
  ['F32', 'F16', 'f32', 'f32-f16'],
  ['F32', 'BF16', 'f32', 'f32-bf16'],
  ['F16', 'F32', 'f16', 'f16-f32'],
  ['BF16', 'F32', 'bf16', 'bf16-f32'],
]

for (const [from, to, source, expected] of casts) {
  test(`${from} becomes ${to} as numpy does it, to the bit`, (t) => {
    const bytes = read(source)
    // Pieces that end inside of a number, as files have them.
    const pieces = [bytes.subarray(0, 1001), bytes.subarray(1001, 1002), bytes.subarray(1002)]
    const cast = Buffer.concat([...castPieces(pieces, from, to, () => undefined)])
    t.true(cast.equals(read(expected)))
  })
}

test('numbers that become infinite are counted, infinite ones are not', (t) => {
  const bytes = Buffer.from(new Float32Array([65504, 65519, 65520, -1e9, Infinity, NaN]).buffer)
  let overflows = 0
  const [half] = [...castPieces([bytes], 'F32', 'F16', (count) => (overflows += count))]
  t.is(overflows, 2)
  t.deepEqual(
    [...toNumbers(half ?? Buffer.alloc(0), 'F16')],
    [65504, 65504, Infinity, -Infinity, Infinity, NaN],
  )
})

function read(name: string): Buffer {
  return readFileSync(join(folder, `${name}.bin`))
}
