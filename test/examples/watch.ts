// Print every event of a training as a line of JSON, and stop it in order once it is good enough.
import {loadConfig, Vilbert} from 'vilbert-ts'

const [dataRoot = 'data/demo', outputDir = 'checkpoints/watched', goal = '0.9'] = process.argv.slice(2)
const {model, training} = await loadConfig({
  set: ['model=tiny', 'training.batchSize=64', 'training.lr=1e-3'],
  flags: {'output-dir': outputDir},
})

await using vilbert = await Vilbert.open()
const run = vilbert.train({model: {config: model}, data: {dataRoot}, training, overwrite: true})
for await (const event of run) {
  console.log(JSON.stringify(event))
  const isGood = event.type === 'epoch' && event.valAccuracy !== null && event.valAccuracy >= Number(goal)
  // Leaving the loop ends the run after the step that is under way, with its state saved: `train --resume` goes on.
  if (isGood) break
}
