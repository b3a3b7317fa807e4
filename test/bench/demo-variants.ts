import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {parseArgs} from 'node:util'
import {z} from 'zod'
import {demoTraining} from '../../src/demo.js'
import {table} from '../../src/ui/table.js'
import {Vilbert} from '../../src/vilbert.js'
import {python} from '../helpers/python.js'

const comparisons = {
  recipes: [
    {recipe: 'seed', precision: 'fp32'},
    {recipe: 'corrected', precision: 'fp32'},
  ],
  precisions: [{precision: 'fp32'}, {precision: 'bf16'}],
} as const

type Variant = (typeof comparisons)[keyof typeof comparisons][number]

type Outcome = {
  readonly variant: string
  readonly seed: number
  readonly bestAccuracy: number
  readonly lastAccuracy: number
  readonly minutes: number
}

type Extent = {readonly seeds: readonly number[]; readonly images: number; readonly epochs: number}

/**
 * Trains the demo's model on the demo's data in both variants and prints what each reaches on val, a row a seed.
 * Everything but what is compared is alike, the first weights and the order of the examples included.
 */
async function compare(variants: readonly Variant[], {seeds, images, epochs}: Extent): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'vilbert-ts-variants-'))
  try {
    await using vilbert = await Vilbert.open({python})
    const dataRoot = join(folder, 'data')
    await vilbert.synthesize({output: dataRoot, images, seed: 1}).result()
    const outcomes: Outcome[] = []
    for (const seed of seeds) {
      for (const variant of variants) {
        const options = {dataRoot, outputDir: join(folder, 'run'), epochs, seed, ...variant}
        const {best, lastValAccuracy, secondsTotal} = await vilbert
          .train(await demoTraining(options))
          .result()
        outcomes.push({
          variant: nameOf(variant),
          seed,
          bestAccuracy: best?.valAccuracy ?? NaN,
          lastAccuracy: lastValAccuracy ?? NaN,
          minutes: secondsTotal / 60,
        })
        process.stderr.write(`${JSON.stringify(outcomes.at(-1))}\n`)
      }
    }
    console.log(`${images} pictures, ${epochs} epochs, accuracy on val in %`)
    console.log(tableOf(outcomes, variants.map(nameOf), seeds))
  } finally {
    await rm(folder, {recursive: true, force: true})
  }
}

function nameOf(variant: Variant): string {
  return Object.values(variant).join()
}

function tableOf(outcomes: readonly Outcome[], names: readonly string[], seeds: readonly number[]): string {
  const cells = (own: readonly Outcome[], value: (outcome: Outcome) => number, digits: number): string =>
    (own.reduce((sum, outcome) => sum + value(outcome), 0) / own.length).toFixed(digits)
  const row = (name: string, isWanted: (outcome: Outcome) => boolean): string[] => {
    const parts = names.map((name) => outcomes.filter((each) => each.variant === name && isWanted(each)))
    return [
      name,
      ...parts.map((own) => cells(own, ({bestAccuracy}) => 100 * bestAccuracy, 2)),
      ...parts.map((own) => cells(own, ({lastAccuracy}) => 100 * lastAccuracy, 2)),
      ...parts.map((own) => cells(own, ({minutes}) => minutes, 1)),
    ]
  }
  const head = ['best', 'last', 'minutes'].flatMap((what) => names.map((name) => `${name} ${what}`))
  return table([
    ['seed', ...head],
    ...seeds.map((seed) => row(`${seed}`, (outcome) => outcome.seed === seed)),
    row('mean', () => true),
  ])
}

const {values} = parseArgs({
  options: {
    compare: {type: 'string', default: 'recipes'},
    seeds: {type: 'string', default: '1,2,3,4,5'},
    images: {type: 'string', default: '400'},
    epochs: {type: 'string', default: '8'},
  },
})
const what = z.enum(['recipes', 'precisions']).parse(values.compare)
await compare(comparisons[what], {
  seeds: values.seeds.split(',').map(Number),
  images: Number(values.images),
  epochs: Number(values.epochs),
})
