// Answer lines of JSON like {"image": 3, "phrase": "red circle", "id": "a"} from the standard input, in their order.
import {createInterface} from 'node:readline'
import {Vilbert, type PredictQuery} from 'vilbert-ts'

const [weights = 'checkpoints/demo/best.pdparams', dataRoot = 'data/demo'] = process.argv.slice(2)

async function* questions(): AsyncGenerator<PredictQuery> {
  for await (const line of createInterface({input: process.stdin})) yield JSON.parse(line) as PredictQuery
}

await using vilbert = await Vilbert.open()
const model = await vilbert.load({model: {fromPretrained: weights}, data: {dataRoot}})
// A question that cannot be answered, such as one about an image that is not there, does not end the others.
for await (const answer of model.predictBatch(questions(), {topK: 1, batchSize: 16})) {
  const {id, error} = answer
  if (error !== undefined) console.log(JSON.stringify({id, error: error.message}))
  else console.log(JSON.stringify({id, box: answer.regions[0]?.box, score: answer.regions[0]?.score}))
}
