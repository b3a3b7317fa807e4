import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {parseArgs} from 'node:util'
import {demoTraining} from '../../src/demo.js'
import {table} from '../../src/ui/table.js'
import {Vilbert} from '../../src/vilbert.js'
import {python} from '../helpers/python.js'

const recipes = ['seed', 'corrected'] as const

type Outcome = {
  readonly recipe: (typeof recipes)[number]
  readonly seed: number
  readonly bestAccuracy: number
  readonly lastAccuracy: number
  readonly minutes: number
}

/**
 * Trains the demo's model on the demo's data with both recipes and prints what each reaches on val, a row a seed.
 * Everything but the recipe is alike, the first weights and the order of the examples included.
 */
async function compareRecipes(seeds: readonly number[], images: number, epochs: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'vilbert-ts-recipes-'))
  try {
    await using vilbert = await Vilbert.open({python})
    const dataRoot = join(folder, 'data')
    await vilbert.synthesize({output: dataRoot, images, seed: 1}).result()
    const outcomes: Outcome[] = []
    for (const seed of seeds) {
      for (const recipe of recipes) {
        const options = {dataRoot, outputDir: join(folder, 'run'), epochs, seed, recipe}
        const {best, lastValAccuracy, secondsTotal} = await vilbert
          .train(await demoTraining(options))
          .result()
        outcomes.push({
          recipe,
          seed,
          bestAccuracy: best?.valAccuracy ?? NaN,
          lastAccuracy: lastValAccuracy ?? NaN,
          minutes: secondsTotal / 60,
        })
        process.stderr.write(`${recipe}, seed ${seed}: ${JSON.stringify(outcomes.at(-1))}\n`)
      }
    }
    console.log(`${images} pictures, ${epochs} epochs, accuracy on val in %`)
    console.log(tableOf(outcomes, seeds))
  } finally {
    await rm(folder, {recursive: true, force: true})
  }
}

function tableOf(outcomes: readonly Outcome[], seeds: readonly number[]): string {
  const cells = (own: readonly Outcome[], value: (outcome: Outcome) => number, digits: number): string =>
    (own.reduce((sum, outcome) => sum + value(outcome), 0) / own.length).toFixed(digits)
  const row = (name: string, isWanted: (outcome: Outcome) => boolean): string[] => {
    const parts = recipes.map((recipe) =>
      outcomes.filter((outcome) => outcome.recipe === recipe && isWanted(outcome)),
    )
    return [
      name,
      ...parts.map((own) => cells(own, ({bestAccuracy}) => 100 * bestAccuracy, 2)),
      ...parts.map((own) => cells(own, ({lastAccuracy}) => 100 * lastAccuracy, 2)),
      ...parts.map((own) => cells(own, ({minutes}) => minutes, 1)),
    ]
  }
  const head = ['best', 'last', 'minutes'].flatMap((what) => recipes.map((recipe) => `${recipe} ${what}`))
  return table([
    ['seed', ...head],
    ...seeds.map((seed) => row(`${seed}`, (outcome) => outcome.seed === seed)),
    row('mean', () => true),
  ])
}

const {values} = parseArgs({
  options: {
    seeds: {type: 'string', default: '1,2,3'},
    images: {type: 'string', default: '400'},
    epochs: {type: 'string', default: '8'},
  },
})
await compareRecipes(values.seeds.split(',').map(Number), Number(values.images), Number(values.epochs))
