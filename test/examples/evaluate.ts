// How often does a checkpoint choose the right box, and what is left of that without the words?
import {Vilbert} from 'vilbert-ts'

const [weights = 'checkpoints/demo/best.pdparams', dataRoot = 'data/demo'] = process.argv.slice(2)
const question = {model: {fromPretrained: weights}, data: {dataRoot}, split: 'val'}

await using vilbert = await Vilbert.open()
const run = vilbert.evaluate(question)
for await (const {done, total} of run) process.stderr.write(`\r${done} of ${total} expressions`)
process.stderr.write('\n')
const {accuracy, correct, total} = await run.result()
const {accuracy: withoutWords} = await vilbert.evaluate({...question, ablate: 'text'}).result()
console.log(JSON.stringify({accuracy, correct, total, withoutWords}))
