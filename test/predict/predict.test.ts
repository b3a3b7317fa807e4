import {once} from 'node:events'
import {copyFile, mkdir, readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {setTimeout as delay} from 'node:timers/promises'
import test from 'ava'
import {execa} from 'execa'
import {prepareData} from '../../src/data/prepare.js'
import {DataError} from '../../src/errors.js'
import type {PredictQuery} from '../../src/predict/query.js'
import {Vilbert} from '../../src/vilbert.js'
import {finished, jsonOf, runCli, startCli} from '../helpers/cli.js'
import {makeWorkplace, type Workplace} from '../helpers/damage.js'
import {python, pythonFixtures} from '../helpers/python.js'

const image = 1042

test('a loaded model answers a batch as it answers one by one, in order and with the ids', async (t) => {
  const place = await makeWorkplace(t)
  await using vilbert = await Vilbert.open({python})
  const model = await vilbert.load(modelAndData(place))
  const {imageIds} = await world(place)
  const phrases = ['red giraffe', 'the man on the left of the table', 'cat', 'two dogs near a red car']
  const queries = Array.from({length: 70}, (_, index): PredictQuery => ({
    image: imageIds[index % imageIds.length] ?? 0,
    phrase: phrases[index % phrases.length] ?? '',
    id: {n: index},
  }))
  let count = 0
  for await (const answer of model.predictBatch(queries, {topK: 3, batchSize: 16})) {
    if (answer.error !== undefined) throw answer.error
    const query = queries[count]
    t.like(answer, {index: count, ...query})
    const alone = await model.predict({image: answer.image, phrase: answer.phrase, topK: 3})
    t.deepEqual(
      answer.regions.map(({index}) => index),
      alone.regions.map(({index}) => index),
    )
    for (const [rank, {logit}] of answer.regions.entries())
      t.true(Math.abs(logit - (alone.regions[rank]?.logit ?? NaN)) < 1e-4)
    count += 1
  }
  t.is(count, 70)
})

test('what is wrong with a query is its answer, and the others are answered', async (t) => {
  const place = await makeWorkplace(t)
  await using vilbert = await Vilbert.open({python})
  const model = await vilbert.load(modelAndData(place))
  const queries: unknown[] = [
    {image, phrase: 'cat'},
    {image: 4711, phrase: 'cat', id: 'b'},
    {image: 'holiday.jpg', phrase: 'cat'},
    {image, phrase: ' ', id: 7},
    {phrase: 'cat', id: 'no image'},
    {image, phrase: 'half \ud800'},
    {image, phrase: 'cat', id: 2 ** 60},
    null,
    new DataError('Line 9 is torn.'),
    {image: 'deep/COCO_train2014_000000001042.jpg', phrase: 'cat'},
  ]
  const answers = []
  for await (const answer of model.predictBatch(queries as PredictQuery[])) answers.push(answer)
  t.deepEqual(
    answers.map(({index, id, error}) => [index, id, error?.code, error?.message.replace(/ in \/.*/, '')]),
    [
      [0, undefined, undefined, undefined],
      [1, 'b', 'E_REGIONS_MISSING', 'Image 4711 has no region features'],
      [2, undefined, 'E_REGIONS_MISSING', 'The picture holiday.jpg has no region features'],
      [3, 7, 'E_QUERY', 'The phrase is empty.'],
      [4, 'no image', 'E_QUERY', 'The query says no image: an image id, or the file of a picture.'],
      [5, undefined, 'E_QUERY', 'The phrase "half \\u{d800}" holds half of a character (a lone surrogate).'],
      [6, 2 ** 60, 'E_QUERY', 'The id is a number too large to be kept exactly; write it as text.'],
      [7, undefined, 'E_QUERY', 'A query is a JSON object.'],
      [8, undefined, 'E_DATA', 'Line 9 is torn.'],
      [9, undefined, undefined, undefined],
    ],
  )
  t.like(answers[9], {imageId: image, image: 'deep/COCO_train2014_000000001042.jpg'})
  t.regex(answers[2]?.error?.next ?? '', /no detector here.*--regions/)
  await t.throwsAsync(model.predict({image: 4711, phrase: 'cat'}), {code: 'E_REGIONS_MISSING'})
})

test('queries are pulled only while answers are, and one that does not come holds up no answer', async (t) => {
  const place = await makeWorkplace(t)
  await using vilbert = await Vilbert.open({python})
  const model = await vilbert.load(modelAndData(place))
  let pulled = 0
  let isLeft = false
  const endless = (async function* (): AsyncGenerator<PredictQuery> {
    try {
      for (;;) {
        yield await Promise.resolve({image, phrase: 'cat', id: pulled})
        pulled += 1
      }
    } finally {
      isLeft = true
    }
  })()
  let answered = 0
  for await (const {id} of model.predictBatch(endless, {batchSize: 4, topK: 1})) {
    t.is(id, answered)
    answered += 1
    t.true(pulled <= 4 * Math.ceil(answered / 4) + 1)
    if (answered === 9) break
  }
  t.true(isLeft)

  const stuck = (async function* (): AsyncGenerator<PredictQuery> {
    yield {image, phrase: 'cat'}
    await delay(60_000, undefined, {ref: false})
  })()
  for await (const {index} of model.predictBatch(stuck)) {
    t.is(index, 0)
    break
  }
})

test('a picture of the user with boxes and features in any form is answered as the same image of a data set', async (t) => {
  const place = await makeWorkplace(t)
  const {detectedFile} = await world(place)
  await execa(python, [join(pythonFixtures, 'own_picture.py'), detectedFile, `${image}`, place.folder])
  await using vilbert = await Vilbert.open({python})
  const known = await vilbert.load(modelAndData(place))
  const {regions} = await known.predict({image, phrase: 'red giraffe'})
  const {model} = modelAndData(place)
  const picture = join(place.folder, 'party.png')
  const own = async (file: string, of = picture) => {
    const loaded = await vilbert.load({model, regions: join(place.folder, file)})
    return await loaded.predict({image: of, phrase: 'red giraffe'})
  }
  for (const form of [
    'party.safetensors',
    'party.npz',
    'party.npy',
    'wide.npy',
    'party.json',
    'dict.npy',
    'many',
  ]) {
    t.deepEqual((await own(form)).regions, regions, form)
  }
  t.like(await own('many'), {image: picture, imageId: null})

  await t.throwsAsync(own('pickled.npy'), {code: 'E_NPY', message: /not that of a dict/})
  await t.throwsAsync(own('other-size.json'), {code: 'E_FEATURES', message: /width is not \d+/})
  await t.throwsAsync(own('party.png'), {code: 'E_FEATURES', message: /of no form that is known/})
  await t.throwsAsync(own('many', join(place.folder, 'party.json')), {code: 'E_NO_PICTURE'})
  await copyFile(picture, join(place.folder, 'second.png'))
  await t.throwsAsync(own('many', join(place.folder, 'second.png')), {code: 'E_REGIONS_MISSING'})

  const one = await vilbert.load({model, regions: join(place.folder, 'party.npz')})
  const both = [picture, join(place.folder, 'second.png'), picture].map((of) => ({image: of, phrase: 'cat'}))
  const answers = []
  for await (const answer of one.predictBatch(both)) answers.push(answer.error?.code)
  t.deepEqual(answers, [undefined, 'E_REGIONS_MISSING', undefined])
})

test('predict --draw draws each phrase, by id with --images and by file with --regions', async (t) => {
  const place = await makeWorkplace(t)
  const {detectedFile} = await world(place)
  await execa(python, [join(pythonFixtures, 'own_picture.py'), detectedFile, `${image}`, place.folder])
  const pictures = join(place.folder, 'pictures')
  await mkdir(pictures)
  const drawn = join(place.folder, 'drawn')
  const asked = ['--image', `${image}`, '--phrase', 'red giraffe', '--phrase', '狗', '--draw', drawn]
  const args = [...dataArgs(place), ...asked, '--images', pictures, '--json']
  const missing = await runCli(args)
  t.is(missing.exitCode, 4)
  t.like(jsonOf(missing), {error: {code: 'E_NO_PICTURE'}})
  await copyFile(
    join(place.folder, 'party.png'),
    join(pictures, `COCO_train2014_${String(image).padStart(12, '0')}.jpg`),
  )
  const outcome = await runCli(args)
  const files = [join(drawn, '1-1042-red-giraffe.png'), join(drawn, '2-1042-狗.png')]
  t.like(jsonOf(outcome), [{image, drawing: files[0]}, {drawing: files[1]}])
  for (const file of files) t.is((await readFile(file)).toString('latin1', 1, 4), 'PNG')
})

test('predict --input answers every line in order, tells what is wrong with some, and leaves with exit code 4', async (t) => {
  const place = await makeWorkplace(t)
  const input = join(place.folder, 'questions.jsonl')
  const long = JSON.stringify({image, phrase: 'x'.repeat(1 << 20)})
  await writeFile(
    input,
    Buffer.concat([
      Buffer.from('\ufeff{"image": 1042, "phrase": "cat", "id": "a"}\r\n\n{broken\n'),
      Buffer.from([0x22, 0xff, 0x22, 0x0a]),
      Buffer.from(`${long}\n{"image": 1, "phrase": "cat", "id": [5]}\n{"image": "1042", "phrase": "dog"}`),
    ]),
  )
  for (const mode of [[], ['--json']]) {
    const outcome = await runCli([...dataArgs(place), '--input', input, '--top-k', '1', ...mode])
    t.is(outcome.exitCode, 4)
    t.is(outcome.stderr, '4 of 6 lines could not be answered.\n')
    const answers = outcome.stdout.split('\n').slice(0, -1)
    t.deepEqual(
      answers
        .map((text) => JSON.parse(text) as {id?: unknown; line: number; error?: {code: string}})
        .map(({id, line, error}) => [line, id, error?.code]),
      [
        [1, 'a', undefined],
        [3, undefined, 'E_QUERY'],
        [4, undefined, 'E_QUERY'],
        [5, undefined, 'E_QUERY'],
        [6, [5], 'E_REGIONS_MISSING'],
        [7, undefined, undefined],
      ],
    )
  }
})

test('predict --input - answers a line before the next one comes', async (t) => {
  const place = await makeWorkplace(t)
  const program = startCli([...dataArgs(place), '--input', '-', '--top-k', '1'])
  const answers = program.iterable({from: 'stdout'})
  for (const id of [1, 2, 3]) {
    program.stdin.write(`${JSON.stringify({image, phrase: 'cat', id})}\n`)
    const next = await answers.next()
    t.like(JSON.parse(String(next.value)), {id, line: id, image, phrase: 'cat'})
  }
  program.stdin.end()
  t.deepEqual(await answers.next(), {done: true, value: undefined})
  t.is((await finished(program)).exitCode, 0)
})

test('predict --input ends when nobody reads its answers any more', async (t) => {
  const place = await makeWorkplace(t)
  const input = join(place.folder, 'many.jsonl')
  await writeFile(input, `${JSON.stringify({image, phrase: 'cat'})}\n`.repeat(100_000))
  const program = startCli([...dataArgs(place), '--input', input])
  await once(program.stdout, 'data')
  program.stdout.destroy()
  const {exitCode, stderr} = await finished(program)
  t.deepEqual([exitCode, stderr], [0, ''])
})

test('predict says what is missing when nothing is asked', async (t) => {
  const place = await makeWorkplace(t)
  const alone = await runCli([...dataArgs(place), '--image', '5'])
  t.is(alone.exitCode, 2)
  t.regex(alone.stderr, /Nothing is asked/)
})

function modelAndData({dataRoot, config, weights}: Workplace) {
  return {model: {config, fromPretrained: weights}, data: {dataRoot}}
}

function dataArgs({dataRoot, config, weights}: Workplace): string[] {
  return ['predict', '--data-root', dataRoot, '--config', config, '--from-pretrained', weights]
}

async function world({dataRoot}: Workplace): Promise<{detectedFile: string; imageIds: number[]}> {
  const {detectedFile, expressionsFile} = await prepareData({
    dataRoot,
    dataset: 'refcoco+',
    annotated: false,
  })
  const {images} = JSON.parse(await readFile(expressionsFile, 'utf8')) as {images: {id: number}[]}
  return {detectedFile, imageIds: images.map(({id}) => id)}
}
