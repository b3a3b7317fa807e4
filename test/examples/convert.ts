// Make a smaller file of a checkpoint, for programs without Paddle, and see how much its answers differ.
import {checkConversion, convertCheckpoint} from 'vilbert-ts'

const [input = 'checkpoints/demo/best.pdparams', output = 'model.safetensors'] = process.argv.slice(2)

const converted = await convertCheckpoint({
  input,
  output,
  dtype: 'float16',
  recOnly: true,
  onProgress: (doneBytes, totalBytes) => process.stderr.write(`\r${doneBytes} of ${totalBytes} bytes`),
})
process.stderr.write('\n')
const {tensors, sizeBytes, dropped} = converted
const {largestDifference} = await checkConversion(converted)
console.log(JSON.stringify({output, tensors, sizeBytes, dropped: dropped.length, largestDifference}))
