// A data set of your own: a line of JSON for each phrase, and region features for each image. Then train on it.
//   {"image": "party.jpg", "width": 640, "height": 480, "phrase": "man in red", "box": [10, 20, 90, 200], "split": "train"}
// Features: a folder with party.safetensors (features [N, 2048], boxes [N, 4]) for each image, or a TSV, or .npy files.
import {dataStats, importData, loadConfig, Vilbert} from 'vilbert-ts'

const [annotations = 'mine.jsonl', features = 'features', dataRoot = 'data/mine', epochs = '8'] =
  process.argv.slice(2)

// All that is wrong with the lines is in one error, by line, and then nothing is written.
const {images, dataset} = await importData({annotations, features, output: dataRoot})
const {splits} = await dataStats({dataRoot, dataset})
for (const {split, sentences, ceiling} of splits)
  console.error(`${split}: ${sentences} sentences, of which ${ceiling.sentences} can be answered`)

const {model, training} = await loadConfig({
  set: ['model=tiny', 'training.batchSize=16', 'training.lr=1e-3'],
  flags: {'output-dir': `${dataRoot}/run`, epochs: Number(epochs)},
})
await using vilbert = await Vilbert.open()
const run = vilbert.train({model: {config: model}, data: {dataRoot, dataset}, training})
const {best, files} = await run.result()
console.log(JSON.stringify({images, best, weights: files.best ?? files.last}))
