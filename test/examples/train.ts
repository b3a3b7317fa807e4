// Train a small model, with one line that says how far it is.
import {loadConfig, Vilbert} from 'vilbert-ts'

const [dataRoot = 'data/demo', outputDir = 'checkpoints/script', epochs = '8'] = process.argv.slice(2)
const {model, training} = await loadConfig({
  set: ['model=tiny', 'training.recipe=corrected', 'training.batchSize=64', 'training.lr=1e-3'],
  flags: {'output-dir': outputDir, epochs: Number(epochs)},
})

await using vilbert = await Vilbert.open()
const run = vilbert.train({model: {config: model}, data: {dataRoot}, training, overwrite: true})
let totalSteps = 0
for await (const event of run) {
  if (event.type === 'start') totalSteps = event.totalSteps
  if (event.type === 'steps') {
    const {step, loss} = event.steps.at(-1) ?? {step: 0, loss: NaN}
    process.stderr.write(`\rstep ${step} of ${totalSteps}, loss ${loss.toFixed(3)}`)
  }
}
process.stderr.write('\n')
const {steps, best, files} = await run.result()
console.log(JSON.stringify({steps, best, weights: files.best ?? files.last}))
