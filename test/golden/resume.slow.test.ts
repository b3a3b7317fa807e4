import test from 'ava'
import {assertResumesBitEqual} from '../helpers/killed-training.js'

type Variant = {
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly kills?: number
}

const variants: Readonly<Record<string, Variant>> = {
  'with the published recipe': {},
  'with accumulation': {args: ['--grad-accumulation', '4']},
  'with an average of the weights': {args: ['--ema', '0.95']},
  'with early stopping': {args: ['--patience', '6']},
  'in the fastest precision': {args: ['--precision', 'auto'], kills: 8},
  'on one thread': {env: {OMP_NUM_THREADS: '1'}, kills: 8},
  'without the kernels': {env: {VILBERT_TS_KERNELS: 'off'}, kills: 8},
}

for (const [index, [name, variant]] of Object.entries(variants).entries()) {
  const {args = [], env = {}, kills = 20} = variant
  test.serial(`${kills} stops at random moments ${name} change no bit`, async (t) => {
    t.timeout(900_000)
    await assertResumesBitEqual(t, {kills, seed: 100 + index, epochs: kills, args, env})
  })
}
