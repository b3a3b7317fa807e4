import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import test from 'ava'
import {packageRoot} from '../../src/paths.js'
import {jsonOf, runCli, type CliResult} from '../helpers/cli.js'

const golden = join(packageRoot, 'test', 'fixtures', 'golden', 'data-root')

test('refer show prints a ref with all that belongs to it, without Python', async (t) => {
  const {exitCode, stdout, stderr} = await show('3')
  t.is(stderr, '')
  t.is(exitCode, 0)
  t.is(
    stdout,
    [
      'ref         3 of refcoco+ (unc), annotation 3',
      'split       train',
      'category    umbrella (4)',
      'image       1007, 595 x 624, COCO_train2014_000000001007.jpg',
      'box         469.57, 169.58, 594.77, 323.99',
      'sentence 5  green umbrella',
      '',
    ].join('\n'),
  )
})

test('refer show --json gives the same as data', async (t) => {
  t.deepEqual(jsonOf(await show('3', '--json')), {
    dataset: 'refcoco+',
    splitBy: 'unc',
    refId: 3,
    annId: 3,
    split: 'train',
    category: {id: 4, name: 'umbrella'},
    image: {id: 1007, width: 595, height: 624, fileName: 'COCO_train2014_000000001007.jpg', file: null},
    box: [469.57, 169.58, 594.77, 323.99],
    sentences: [{sentId: 5, text: 'green umbrella'}],
  })
})

test('a ref, a data set or a splitter that is not there is named', async (t) => {
  const noRef = await show('99999')
  t.is(noRef.exitCode, 4)
  t.regex(noRef.stderr, /refs\(unc\)\.p has no ref 99999\.\nNext: Its 42 refs have numbers from 0 to 41\./)
  const noFile = await show('3', '--dataset', 'refcocog')
  t.is(noFile.exitCode, 4)
  t.regex(noFile.stderr, /refcocog\/instances\.json: there is no such file\./)
  const noSplitter = await show('3', '--split-by', 'umd')
  t.is(noSplitter.exitCode, 4)
  t.regex(noSplitter.stderr, /The data set refcoco\+ has no split by "umd"\./)
  for (const wrong of ['three', '-1', '1.5', '9007199254740993']) {
    const {exitCode, stderr} = await show(wrong)
    t.is(exitCode, 2)
    t.true(stderr.startsWith(`Error: The ref "${wrong}" is not a whole number`), stderr)
  }
})

/** Where there is no program at all on PATH, Python can not have been asked. */
async function show(...args: readonly string[]): Promise<CliResult> {
  const PATH = await mkdtemp(join(tmpdir(), 'vilbert-show-'))
  try {
    const env = {PATH, VILBERT_TS_PYTHON: join(PATH, 'no-python')}
    return await runCli(['refer', 'show', ...args, '--data-root', golden], {env})
  } finally {
    await rm(PATH, {recursive: true})
  }
}
