import test from 'ava'
import {assertResumesBitEqual} from '../helpers/killed-training.js'

const variants = {
  'with the published recipe': [],
  'with accumulation': ['--grad-accumulation', '4'],
  'with an average of the weights': ['--ema', '0.95'],
  'with early stopping': ['--patience', '6'],
}

for (const [index, [name, args]] of Object.entries(variants).entries()) {
  test.serial(`20 stops at random moments ${name} change no bit`, async (t) => {
    t.timeout(900_000)
    await assertResumesBitEqual(t, {kills: 20, seed: 100 + index, epochs: 20, args})
  })
}
